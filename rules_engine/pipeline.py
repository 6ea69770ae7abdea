"""From files to a rule set: read, parse, check, judge, compile. Every stage is one line of `check_texts`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from stat import S_ISREG

from rules_engine.checks.registry import run_checks
from rules_engine.compiler import compile_program
from rules_engine.engine.plan import Plan
from rules_engine.language.diagnostics import Diagnostic, Severity
from rules_engine.language.parser import decode, parse
from rules_engine.language.program import Program
from rules_engine.language.resolver import check
from rules_engine.language.source import Source
from rules_engine.language.syntax import File
from rules_engine.shipped import shipped

#: Beyond this a file is not even read; of what is read, the parser refuses what is over 10 MB.
_MAX_READ_BYTES = 40_000_000


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path that could not be read, with what to do about it."""

    path: str
    message: str


@dataclass(frozen=True)
class RuleSet:
    """A rule set as far as it could be understood.

    `plan` is there when no error was found, and can be run; `program` is what could be resolved.
    `texts` maps each path, as the user would write it, to its text; `hash` is a digest of the texts alone,
    so that moving a folder does not make another rule set of it.
    """

    texts: Mapping[str, str]
    sources: Mapping[str, Source]
    diagnostics: tuple[Diagnostic, ...]
    program: Program | None
    plan: Plan | None
    hash: str
    file_count: int
    unreadable: tuple[Unreadable, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether it can be run: everything was readable and no finding is an error."""
        return self.plan is not None

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(finding.severity is severity for finding in self.diagnostics)


def load(*paths: str | os.PathLike[str]) -> RuleSet:
    """The rule set of all `.loop` files at the given files and folders (default: `rules`).

    Raises nothing for a user's mistake: what is wrong stands in `diagnostics` and `unreadable`.
    """
    data, unreadable = read_files(paths or ("rules",))
    return check_files(data, unreadable)


def check_texts(texts: Mapping[str, str]) -> RuleSet:
    """The rule set of the given texts, by path."""
    return check_files({path: text.encode() for path, text in texts.items()})


def check_files(data: Mapping[str, bytes], unreadable: Iterable[Unreadable] = ()) -> RuleSet:
    """The rule set of the given file contents, by path; whatever could not be read keeps it from running."""
    unreadable = tuple(unreadable)
    catalogue = _catalogue()
    own = {path: text for path, text in data.items() if _digest(text) not in catalogue.digests}

    findings: list[Diagnostic] = []
    sources: dict[str, Source] = {}
    files: list[File] = []
    for path, text in own.items():
        sources[path], file, malformed = _parsed(path, text)
        files.append(file)
        findings += malformed

    program, mistakes = check(files, catalogue.files, {**catalogue.sources, **sources})
    findings += mistakes
    if program is not None:
        findings += run_checks(program)

    digest = _digest(*sorted(own.values()))
    loads = program is not None and not unreadable and all(f.severity is not Severity.ERROR for f in findings)
    return RuleSet(
        texts={path: source.text for path, source in sources.items()},
        sources={**catalogue.sources, **sources},
        diagnostics=tuple(_in_order(findings)),
        program=program,
        plan=compile_program(program, {**catalogue.sources, **sources}, digest)
        if program and loads
        else None,
        hash=digest,
        file_count=len(data),
        unreadable=unreadable,
    )


@lru_cache(maxsize=4096)
def _parsed(path: str, text: bytes) -> tuple[Source, File, tuple[Diagnostic, ...]]:
    """A file's tree. Remembered: of a large rule set, a reload reads again only what was edited."""
    source, undecoded = decode(path, text)
    file, malformed = parse(source)
    return source, file, (*undecoded, *malformed)


def read_files(paths: Iterable[str | os.PathLike[str]]) -> tuple[dict[str, bytes], list[Unreadable]]:
    """The contents of all `.loop` files at the given paths, in order of path, and what could not be read."""
    data: dict[str, bytes] = {}
    unreadable: list[Unreadable] = []
    for given in paths:
        root = Path(given)
        found = list(_loop_files(root)) if root.is_dir() else [root]
        if not found:
            unreadable.append(Unreadable(str(root), "there is no .loop file in this folder"))
        for path in found:
            try:
                status = path.stat()
                if path is not root and not S_ISREG(status.st_mode):  # a pipe would be waited for, for ever
                    unreadable.append(Unreadable(str(path), "it is not a file"))
                elif status.st_size > _MAX_READ_BYTES:
                    unreadable.append(Unreadable(str(path), "it is far too long for a rule file"))
                else:
                    data[str(path)] = path.read_bytes()
            except FileNotFoundError:
                unreadable.append(Unreadable(str(path), "there is no such file or folder"))
            except OSError as error:
                unreadable.append(Unreadable(str(path), f"it cannot be read: {error.strerror or error}"))
    return dict(sorted(data.items())), unreadable


def _loop_files(folder: Path) -> Iterator[Path]:
    """All `.loop` files under a folder; hidden folders are left out, links to files are followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".loop") and name[0] != ".")


@dataclass(frozen=True)
class _Catalogue:
    """The shipped declarations, which belong to every rule set without being named."""

    files: tuple[File, ...]
    sources: Mapping[str, Source]
    digests: frozenset[str]


@cache
def _catalogue() -> _Catalogue:
    data, unreadable = read_files([shipped("rules/events")])
    if unreadable:
        raise RuntimeError(f"the package is incomplete: {unreadable[0].path}: {unreadable[0].message}")
    sources = {path: decode(path, text)[0] for path, text in data.items()}
    return _Catalogue(
        files=tuple(parse(source)[0] for source in sources.values()),
        sources=sources,
        # A copy of the shipped files in the user's folder is the catalogue, not a second declaration of it.
        digests=frozenset(_digest(text) for text in data.values()),
    )


def _digest(*texts: bytes) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
    return digest.hexdigest()


def _in_order(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    return sorted(set(findings), key=lambda f: (f.span.path, f.span.start, f.span.end, f.code.id, f.message))
