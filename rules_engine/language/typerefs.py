"""Types as written: built-in ones, sets of words, ranges, and names of other types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rules_engine.language import syntax
from rules_engine.language.catalog import MOST_STEPS, TYPE_NAMES, did_you_mean, listed
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.names import TOO_LARGE, UNKNOWN_TYPE, Names
from rules_engine.language.types import ANY, Base, Type

CIRCULAR = Code("RE119", "circular-declaration", Severity.ERROR, "A declaration depends on itself.")
DUPLICATE_FIELD = Code(
    "RE117", "duplicate-field", Severity.ERROR, "A field, word or argument is given twice."
)
BAD_RANGE = Code(
    "RE208", "bad-range", Severity.ERROR, "A range holds no value, or stands where there is none."
)

#: What other languages call our types.
_ELSEWHERE = {
    "string": "str", "text": "str", "integer": "int", "number": "float", "double": "float", "real": "float",
    "boolean": "bool", "array": "list", "dict": "map", "object": "map",
    "time": "duration", "timedelta": "duration",
}  # fmt: skip


class TypeTable:
    """The declared types, settled on first use."""

    def __init__(self, names: Names, items: Mapping[str, syntax.TypeItem]) -> None:
        self._names = names
        self._items = items
        self._settling: list[str] = []

    def settle(self) -> None:
        """Settles every declared type, so that each mistake is found."""
        for name in self._items:
            self._named(name)

    def of(self, ref: syntax.TypeRef) -> Type:
        """The type that is written there; of any type, with a finding, where it is none."""
        findings = self._names.findings
        if ref.words is not None:
            return Type(Base.STR, words=self.words(ref.words), optional=ref.optional)
        if ref.name is None:
            return ANY
        its_type = self._of_name(ref.name)
        if its_type is None:
            return ANY
        if ref.range is not None:
            if not its_type.is_number:
                message, advice = (
                    f"`{ref.name.text}` has no range",
                    "remove `in ...`; only int and float have one",
                )
                findings.add(BAD_RANGE.at(ref.range.span, message, help=advice))
            elif self.check_range(ref.range):
                low, high = float(ref.range.low), float(ref.range.high)
                its_type = replace(its_type, low=low, high=high, name=None)
        return replace(its_type, optional=ref.optional or its_type.optional)

    def words(self, words: syntax.Words) -> tuple[str, ...]:
        """The words of a set, in order, each once."""
        seen: dict[str, syntax.Name] = {}
        for word in words.words:
            if word.text in seen:
                related = (Related(seen[word.text].span, "the first one"),)
                message, advice = f'"{word.text}" stands twice', "remove one of the two"
                self._names.findings.add(DUPLICATE_FIELD.at(word.span, message, help=advice, related=related))
            seen.setdefault(word.text, word)
        return tuple(seen)

    def check_range(self, range: syntax.NumberRange) -> bool:
        """Whether a range holds anything; a finding where it does not."""
        if range.low <= range.high:
            return True
        message = "the range ends before it starts"
        advice = f"write {range.high:g}..{range.low:g}"
        self._names.findings.add(BAD_RANGE.at(range.span, message, help=advice))
        return False

    def _of_name(self, name: syntax.Name) -> Type | None:
        if name.text in TYPE_NAMES:
            return Type(Base(name.text))
        if name.text in self._items:
            self._names.mention("type", name.text)
            return self._named(name.text)
        if self._names.lost("type", name.text):
            return None
        if name.text in _ELSEWHERE:
            advice = f"write `{_ELSEWHERE[name.text]}`"
        else:
            advice = did_you_mean(
                name.text, [*TYPE_NAMES, *self._items], f"the types are {listed(TYPE_NAMES)}"
            )
        self._names.findings.add(UNKNOWN_TYPE.at(name.span, f"unknown type `{name.text}`", help=advice))
        return None

    def _named(self, name: str) -> Type | None:
        known = self._names.types.get(name)
        if known is not None:
            return known
        item = self._items[name]
        if len(self._settling) >= MOST_STEPS:
            if not any(finding.code is TOO_LARGE for finding in self._names.findings.all):
                message, advice = f"`{name}` is a name of a name of a name, too often", "write what it holds"
                self._names.findings.add(TOO_LARGE.at(item.name.span, message, help=advice))
            return None
        if name in self._settling:
            message, advice = (
                f"the type `{name}` is made of itself",
                "write what it holds: str, float, or words",
            )
            self._names.findings.add(CIRCULAR.at(item.name.span, message, help=advice))
            return None
        self._settling.append(name)
        its_type = replace(self.of(item.type), name=name)
        self._settling.pop()
        self._names.types[name] = its_type
        return its_type
