"""Annotations of a loop: `@shadow`, `@off("reason")`, `@owner("team")`, `@allow("RE401", "reason")`."""

from __future__ import annotations

from dataclasses import dataclass

from rules_engine.language import program, syntax
from rules_engine.language.catalog import ANNOTATIONS, did_you_mean
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.names import DUPLICATE_CLAUSE, Findings
from rules_engine.language.source import Span

UNKNOWN_ANNOTATION = Code(
    "RE108", "unknown-annotation", Severity.ERROR, "There is no annotation of this name."
)
BAD_ANNOTATION = Code(
    "RE121", "bad-annotation", Severity.ERROR, "An annotation is not written as it can be read."
)

#: How many texts each takes, at least and at most.
_TEXTS = {"shadow": (0, 0), "off": (0, 1), "owner": (1, 1), "allow": (2, 2)}


@dataclass
class Annotations:
    """What the annotations of a loop say."""

    owner: str | None = None
    shadow: bool = False
    off: str | None = None
    allows: tuple[program.Allow, ...] = ()


def annotations_of(findings: Findings, item: syntax.LoopItem) -> Annotations:
    """Reads the annotations of a loop."""
    found = Annotations()
    seen: dict[str, Span] = {}
    for annotation in item.annotations:
        name = annotation.name.text
        if name not in ANNOTATIONS:
            advice = did_you_mean(name, ANNOTATIONS, f"there are {', '.join(ANNOTATIONS.values())}")
            findings.add(
                UNKNOWN_ANNOTATION.at(
                    annotation.span,
                    f"unknown annotation `@{name}`",
                    help=advice.replace("`", "`@", 1) if "mean" in advice else advice,
                )
            )
            continue
        if name in seen and name != "allow":
            related = (Related(seen[name], "the first one"),)
            advice = "keep one of the two"
            findings.add(
                DUPLICATE_CLAUSE.at(annotation.span, f"`@{name}` stands twice", help=advice, related=related)
            )
            continue
        seen.setdefault(name, annotation.span)
        texts = _texts(annotation)
        least, most = _TEXTS[name]
        if texts is None or not least <= len(texts) <= most or (name == "allow" and not texts[1].strip()):
            message, advice = f"`@{name}` is not written so", f"write it as {ANNOTATIONS[name]}"
            findings.add(BAD_ANNOTATION.at(annotation.span, message, help=advice))
            continue
        _take(found, name, annotation.span, texts)
    return found


def _take(found: Annotations, name: str, span: Span, texts: list[str]) -> None:
    match name:
        case "shadow":
            found.shadow = True
        case "off":
            found.off = texts[0] if texts else "switched off"
        case "owner":
            found.owner = texts[0]
        case "allow":
            found.allows += (program.Allow(span, texts[0], texts[1]),)


def _texts(annotation: syntax.Annotation) -> list[str] | None:
    """The arguments as texts; None where one is anything else."""
    texts = []
    for argument in annotation.arguments:
        value = argument.value
        if (
            argument.name is not None
            or not isinstance(value, syntax.LiteralValue)
            or not isinstance(value.value, str)
        ):
            return None
        texts.append(value.value)
    return texts
