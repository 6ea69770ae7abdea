"""Takes away marks that a mended check has made untrue. New marks are for people to write, with a reason."""

from __future__ import annotations

from collections.abc import Mapping

from .reading import MARK, ROOT, Found, RuleTexts, corpus, judge


def mended(rules: RuleTexts) -> dict[str, str]:
    """The texts of a set without marks of misses that are found and alarms that are silent.

    An expected family such as `RE3xx` becomes the code that met it.
    """
    seen = judge(rules)
    true_marks = {
        "known miss": {miss.code for miss in seen.missed},
        "known false alarm": {alarm.code for alarm in seen.false_alarms},
    }
    return {path: _without(rules, path, true_marks, seen.found) for path in rules.texts}


def _without(
    rules: RuleTexts, path: str, true_marks: Mapping[str, set[str]], found: tuple[Found, ...]
) -> str:
    lines = rules.texts[path].split("\n")
    for expected in rules.expected:
        met = [each.code for each in found if expected.is_met_by(each)]
        if expected.path == path and expected.code.endswith("xx") and met:
            for number in (expected.line - 1, expected.line - 2):  # the mark stands at the line, or above it
                if "# expect: " in lines[number]:
                    lines[number] = lines[number].replace(expected.code, met[0])
                    break
    marks = ((line, MARK.match(line)) for line in lines)
    return "\n".join(line for line, mark in marks if not mark or mark["code"] in true_marks[mark["what"]])


def mend() -> list[str]:
    """Write the corpus without untrue marks; the names of the sets that changed."""
    changed = []
    for rules in corpus().values():
        for path, text in mended(rules).items():
            if text != rules.texts[path]:
                file = ROOT / f"{rules.name}.loop"
                (file if file.exists() else ROOT / rules.name / path).write_text(text, encoding="utf-8")
                changed.append(rules.name)
    return changed
