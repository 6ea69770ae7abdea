"""Cron expressions and time zones in a text: whether there are such."""

from __future__ import annotations

from rules_engine.cron import UTC, BadCron, cron, zones
from rules_engine.language.catalog import did_you_mean
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.names import Findings
from rules_engine.language.source import Span

UNKNOWN_ZONE = Code("RE125", "unknown-zone", Severity.ERROR, "There is no time zone of this name.")
BAD_CRON = Code("RE227", "bad-cron", Severity.ERROR, "This is no cron expression.")

_ORDER = "write minute, hour, day, month and weekday"


def check(findings: Findings, expression: tuple[str, Span], zone: tuple[str, Span] | None) -> bool:
    """Whether there are such an expression and such a zone; findings say what is wrong."""
    text, span = expression
    name = UTC if zone is None else zone[0]
    known = name == UTC or name in zones()
    if zone is not None and not known:
        findings.add(UNKNOWN_ZONE.at(zone[1], f"unknown time zone `{name}`", help=_nearest_zone(name)))
    try:
        cron(text, name if known else UTC)
    except BadCron as bad:
        place, advice = (
            _place(text, span, bad.field),
            f'{_ORDER}: "30 3 * * 1-5" is 03:30 from Monday to Friday',
        )
        findings.add(BAD_CRON.at(place, f"this is no cron expression: {bad}", help=advice))
        return False
    return known


def _place(text: str, span: Span, field: int | None) -> Span:
    """The field that is wrong, where the text stands in the file as it reads."""
    if field is None or span.end - span.start != len(text) + 2:
        return span
    start = 0
    for number, part in enumerate(text.split()):
        start = text.index(part, start)
        if number == field:
            return Span(span.path, span.start + 1 + start, span.start + 1 + start + len(part))
        start += len(part)
    return span


def _nearest_zone(name: str) -> str:
    """A zone is most often missed by its continent, or by a letter."""
    city = name.rpartition("/")[2].replace(" ", "_").casefold()
    named = sorted(zone for zone in zones() if zone.rpartition("/")[2].casefold() == city)
    if named:
        return f"did you mean `{named[0]}`?"
    return did_you_mean(name, zones(), "zones are named by continent and city, as `Europe/Berlin`")
