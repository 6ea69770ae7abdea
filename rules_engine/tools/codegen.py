"""From declared events to Python and reference pages: `rules-engine codegen`.

Everything here follows from the rule files alone, in an order of its own, so that generating twice gives
the same bytes and a stale file is one that differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rules_engine.language.diagnostics import Severity
from rules_engine.language.program import EventDecl
from rules_engine.pipeline import RuleSet, load
from rules_engine.shipped import shipped
from rules_engine.tools.event_functions import emitters_file, payloads_file
from rules_engine.tools.event_pages import Uses, event_pages
from rules_engine.tools.event_python import (
    EVERY_FILE,
    PackageOptions,
    aliases_file,
    catalogue_file,
    event_types_file,
    init_file,
)
from rules_engine.tools.helper_names import SHIPPED_CHOICES, SHIPPED_NAMES, stages_to_data

_PACKAGE = Path(__file__).resolve().parent.parent / "events" / "generated"


class CannotGenerate(Exception):
    """Nothing was written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Output:
    """A folder of generated files: their texts by name, and what else there counts as generated."""

    folder: Path
    files: dict[str, str]

    def stale(self) -> list[Path]:
        """The files that are missing, differ, or were generated once and are no more."""
        wrong = [self.folder / name for name, text in self.files.items() if _read(self.folder / name) != text]
        left = [path for path in self._there() if path.name not in self.files]
        return sorted(wrong + left)

    def write(self) -> list[Path]:
        """Brings the folder up to date; returns what was stale."""
        stale = self.stale()
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in stale:
            if path.name in self.files:
                path.write_text(self.files[path.name], encoding="utf-8", newline="\n")
            else:
                path.unlink()
        return stale

    def _there(self) -> list[Path]:
        """The generated files that lie there now; a file of somebody else's is none of ours."""
        if not self.folder.is_dir():
            return []
        return [
            path
            for path in self.folder.iterdir()
            if path.is_file() and EVERY_FILE in (_read(path) or "")[:400]
        ]


def generate(rules: RuleSet, options: PackageOptions, *, catalogue: bool = False) -> dict[str, str]:
    """The Python package of the events that the rules declare, by file name.

    `catalogue` takes the shipped events instead of the user's own. Pure.
    """
    events = declared(rules, catalogue=catalogue)
    return {
        "__init__.py": init_file(options),
        "aliases.py": aliases_file(events, options),
        "catalogue.py": catalogue_file(events),
        "emitters.py": emitters_file(events, options, rules.sources),
        "event_types.py": event_types_file(events, options.enum),
        "payloads.py": payloads_file(events),
    }


def declared(rules: RuleSet, *, catalogue: bool) -> list[EventDecl]:
    """The shipped events of a rule set, or its own: in order of file and place."""
    assert rules.program is not None
    chosen = (event for event in rules.program.events.values() if event.from_catalogue == catalogue)
    return sorted(chosen, key=lambda event: (Path(event.span.path).name, event.span.path, event.span.start))


def write(*, check: bool = False, rules: Sequence[str | Path] = (), out: Path | None = None) -> list[Path]:
    """Generates, and returns the paths that were stale; with `check` nothing is written.

    Without `rules`: the shipped catalogue, into the package and its reference pages. With `rules`: the
    events that those files and folders declare, as a package in the folder `out`.
    Raises `CannotGenerate`.
    """
    outputs = _of_user(rules, out) if rules else _of_catalogue()
    try:
        return [path for output in outputs for path in (output.stale() if check else output.write())]
    except OSError as error:
        raise CannotGenerate(f"{error.filename}: {error.strerror}; give another folder with --out") from error


def _of_catalogue() -> list[Output]:
    root = shipped("rules").parent
    if not (root / "pyproject.toml").is_file():
        raise CannotGenerate(
            "the shipped catalogue is generated in a checkout of the project;"
            " for events of your own give --rules PATH --out FOLDER"
        )
    rules = _load([shipped("rules/events")])
    options = PackageOptions("DataEventType", SHIPPED_NAMES, SHIPPED_CHOICES, stages_to_data)
    loops = load(shipped("rules"))  # what they do with events; one that does not load leaves that out
    uses = Uses.of(loops.program, loops.plan) if loops.program and loops.plan else None
    pages = event_pages(declared(rules, catalogue=True), rules.sources, uses)
    return [
        Output(_PACKAGE, generate(rules, options, catalogue=True)),
        Output(root / "docs" / "reference" / "events", pages),
    ]


def _of_user(paths: Sequence[str | Path], out: Path | None) -> list[Output]:
    if out is None:
        raise CannotGenerate("say where the package goes: --out FOLDER")
    if not out.name.isidentifier():
        raise CannotGenerate(
            f"{out.name} cannot be imported as a package: use letters, digits and _ in --out"
        )
    rules = _load(paths)
    if not declared(rules, catalogue=False):
        given = ", ".join(str(path) for path in paths)
        raise CannotGenerate(f"{given} declares no event: write `event NAME {{ ... }}` there first")
    return [Output(out, generate(rules, PackageOptions("EventType")))]


def _load(paths: Iterable[str | Path]) -> RuleSet:
    rules = load(*paths)
    for missing in rules.unreadable:
        raise CannotGenerate(f"{missing.path}: {missing.message}")
    errors = [finding for finding in rules.diagnostics if finding.severity is Severity.ERROR]
    if errors or rules.program is None:
        given = " ".join(str(path) for path in paths)
        first = f": {errors[0].message}" if errors else ""
        raise CannotGenerate(f"the rules have errors{first}; `rules-engine lint {given}` shows them all")
    return rules


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
