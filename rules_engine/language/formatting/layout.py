"""Where lines may end in each construct: from the concrete tree to a document.

One method per form of the grammar that has a layout of its own, named like the form; all others are
their parts with single spaces between. Nothing is left out, put in or moved but the comma behind the
last part of a list, which stands exactly where the list takes several lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rules_engine.language.formatting.concrete import Branch, Part, Surroundings, first_token
from rules_engine.language.formatting.document import Above, Behind, Doc, Group, IfBroken, Indent, Line
from rules_engine.language.lexer import Token

_HARD = Line(None)
_SPACE = Line(" ")
_CLOSE_TO_THE_LEFT = {",", ":"}
_BRACKETED = {"filter", "knob_key", "arguments", "members"}
#: What ends in a bracket of its own, behind which a condition may follow on the same line.
_ENDS_IN_BRACKET = {"match", "call", "list", "group", "knob_at", "payload", "arguments"}


class Layout:
    """The documents of one file's constructs."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def file(self, tree: Branch) -> Doc:
        """The whole file."""
        docs: list[Doc] = []
        before: Part | None = None
        for item in tree.parts:
            if before is not None:
                tall = {_form(before), _form(item)} & {"loop", "test"}
                docs.append(Line(None, blank=bool(tall) or self._blank(item)))
            docs.append(self._doc(item))
            before = item
        last = self._around.above.get(self._around.end, ())
        if last:
            docs += [Line(None, blank=self._around.end in self._around.blank), Above(last)]
        return docs

    # ---- pieces ----------------------------------------------------------------------------------

    def _doc(self, part: Part) -> Doc:
        if isinstance(part, Token):
            return self._token(part)
        method: Callable[[Branch], Doc] = getattr(self, part.name, self._spaced)
        return method(part)

    def _token(self, token: Token, *, text: str | None = None, above: bool = True) -> Doc:
        """A token with its comments, perhaps without its text or the comments above it."""
        written = token.text if text is None else text
        over = self._around.above.get(token.start) if above else None
        behind = self._around.behind.get(token.start)
        if not over and not behind:
            return written
        return [*([Above(over)] if over else ()), written, *([Behind(behind)] if behind else ())]

    def _blank(self, part: Part) -> bool:
        """Whether an empty line stands before it."""
        return first_token(part).start in self._around.blank

    def _spaced(self, node: Branch) -> Doc:
        return self._joined(node.parts)

    def _joined(self, parts: Iterable[Part]) -> list[Doc]:
        """Parts on one line, with a space between where one belongs."""
        docs: list[Doc] = []
        for part in parts:
            if docs and not _close(part):
                docs.append(" ")
            docs.append(self._doc(part))
        return docs

    def _tight(self, node: Branch) -> Doc:
        return [self._doc(part) for part in node.parts]

    annotation = bound = bounds = number_range = spellings = word_type = _tight
    path = members = of_event = knob_at = _tight

    def _separated(self, parts: list[Part], *, pad: str = "") -> Doc:
        """Brackets around parts with commas between: on one line, or each on its own."""
        opener, *inner, closer = parts
        docs: list[Doc] = []
        elements = [i for i, part in enumerate(inner) if not _is_comma(part)]
        for count, i in enumerate(elements):
            docs.append(Line(" ", self._blank(inner[i])) if count else Line(pad))
            docs.append(self._doc(inner[i]))
            comma = inner[i + 1] if i + 1 < len(inner) and _is_comma(inner[i + 1]) else None
            if count + 1 < len(elements):
                docs.append(self._doc(comma) if comma else "")  # none before a window
            else:
                ends = _form(inner[i]) in {"open", "over", "over_last", "since"}
                docs.append("" if ends else IfBroken(","))
                docs.append(self._token(comma, text="") if isinstance(comma, Token) else "")
        return self._brackets(opener, docs, closer, pad=pad)

    def _brackets(self, opener: Part, inner: list[Doc], closer: Part, *, pad: str) -> Doc:
        """`inner` begins with the `Line` behind the opening bracket, unless nothing is in there."""
        end = first_token(closer)
        own: list[Doc] = []
        for i, comment in enumerate(self._around.above.get(end.start, ())):
            before = self._around.above[end.start][i - 1].blank if i else end.start in self._around.blank
            own += [Line(None, blank=before and bool(own or inner)), comment.text]
        if inner or own:
            pad_end: Doc = Line(pad)
        else:
            pad_end = pad
        return Group([self._doc(opener), Indent(2, [inner, own]), pad_end, self._token(end, above=False)])

    def _tails(self, docs: list[Doc], tails: list[Part], *, hugging: bool) -> Doc:
        """What follows an effect or a declaration: on its line, or indented on the next.

        Behind a bracket each part decides for itself; else all of them end their line together.
        """
        if hugging:
            return [*docs, *(Group(Indent(2, [_SPACE, self._doc(tail)])) for tail in tails)]
        return Group([*docs, *(Indent(2, [_SPACE, self._doc(tail)]) for tail in tails)])

    # ---- declarations ----------------------------------------------------------------------------

    def named_type(self, node: Branch) -> Doc:
        *head, described = node.parts
        words = described.parts[0] if isinstance(described, Branch) else described
        if not isinstance(words, Branch):
            return self._joined(node.parts)
        maybe = described.parts[1:] if isinstance(described, Branch) else []
        docs: list[Doc] = [Group(self._alternatives(words)), *map(self._doc, maybe)]
        return Group([self._joined(head), Indent(2, [_SPACE, docs])])

    def event(self, node: Branch) -> Doc:
        start = _index(node.parts, "{")
        end = _index(node.parts, "}", start)
        head = node.parts[:start]
        docs: list[Doc] = [self._joined(head), " "]
        if _form(head[-1]) == "aliases":
            sign, *names = head[-1].parts if isinstance(head[-1], Branch) else []
            aliases: list[Doc] = [_SPACE, Group(self._with_lines(names))]
            docs = [Group([self._joined(head[:-1]), " ", self._doc(sign), Indent(2, aliases), _SPACE])]
        docs.append(self._separated(node.parts[start : end + 1], pad=" "))
        return [*docs, *([" ", self._doc(option)] for option in node.parts[end + 1 :])]

    def _with_lines(self, parts: list[Part]) -> list[Doc]:
        """Parts with commas between, each of which may end its line."""
        docs: list[Doc] = []
        for part in parts:
            if docs and not _close(part):
                docs.append(_SPACE)
            docs.append(self._doc(part))
        return docs

    def _alternatives(self, words: Branch) -> list[Doc]:
        first, *others = words.parts
        docs: list[Doc] = [self._doc(first)]
        for sign, word in zip(others[::2], others[1::2], strict=True):
            docs += [_SPACE, self._doc(sign), " ", self._doc(word)]
        return docs

    def words(self, node: Branch) -> Doc:
        first, *others = self._alternatives(node)
        return Group([first, Indent(2, others)])

    def plain_type(self, node: Branch) -> Doc:
        return [
            [" " if _form(part) == "range" else "", self._doc(part)] if i else self._doc(part)
            for i, part in enumerate(node.parts)
        ]

    def action(self, node: Branch) -> Doc:
        start = _index(node.parts, "(")
        end = _index(node.parts, ")", start)
        docs: list[Doc] = [self._joined(node.parts[:start]), self._separated(node.parts[start : end + 1])]
        return self._tails(docs, node.parts[end + 1 :], hugging=True)

    def knob(self, node: Branch) -> Doc:
        end = next((i for i, part in enumerate(node.parts) if _form(part) == "default"), 0) + 1
        docs: list[Doc] = [self._joined(node.parts[:end])]
        for option in node.parts[end:]:
            # What a knob moves is what one looks for: it begins a line.
            line = _HARD if _form(option) == "drives" else _SPACE
            docs.append(Group(Indent(2, [line, self._doc(option)])))
        return docs

    # ---- loops -----------------------------------------------------------------------------------

    def loop(self, node: Branch) -> Doc:
        docs: list[Doc] = []
        parts = node.parts
        while _form(parts[0]) == "annotation":
            docs += [self._doc(parts[0]), _HARD]
            parts = parts[1:]
        docs.append(self._joined(parts[:2]))
        for i, clause in enumerate(parts[2:]):
            docs.append(Indent(2, [Line(None, blank=i > 0 and self._blank(clause)), self._doc(clause)]))
        return docs

    def any(self, node: Branch) -> Doc:
        return self._chain(node.parts)

    def sequence(self, node: Branch) -> Doc:
        first, *others = node.parts
        return Group([self._doc(first), *(Indent(2, [_SPACE, self._doc(part)]) for part in others)])

    def when(self, node: Branch) -> Doc:
        """Each condition with its `for`; `until` or `unless` begins a line where not all fits on one."""
        docs: list[Doc] = []
        second: list[Doc] | None = None
        for part in node.parts:
            if isinstance(part, Token) and part.text in {"until", "unless"}:
                second = [_SPACE]
            into = docs if second is None else second
            if into and into[-1] is not _SPACE:
                into.append(" ")
            into.append(self._doc(part))
        return Group([*docs, Indent(2, second or [])])

    cooldown = when

    def set(self, node: Branch) -> Doc:
        tails = [part for part in node.parts if _form(part) in {"guard", "set_for"}]
        head = node.parts[: len(node.parts) - len(tails)]
        return self._tails([self._joined(head)], tails, hugging=_form(head[-1]) in _ENDS_IN_BRACKET)

    def emit(self, node: Branch) -> Doc:
        return self._tails([self._joined(node.parts[:3])], node.parts[3:], hugging=True)

    def do(self, node: Branch) -> Doc:
        tails: list[Part] = []
        for part in node.parts[3:]:
            tails += part.parts if isinstance(part, Branch) and part.name == "do_options" else [part]
        return self._tails([self._joined(node.parts[:3])], tails, hugging=True)

    def effects(self, node: Branch) -> Doc:
        """A single effect may stay between its braces on one line."""
        opener, *effects, closer = node.parts
        docs: list[Doc] = []
        for i, effect in enumerate(effects):
            docs += [
                Line(None if len(effects) > 1 else " ", i > 0 and self._blank(effect)),
                self._doc(effect),
            ]
        return self._brackets(opener, docs, closer, pad=" ")

    # ---- tests -----------------------------------------------------------------------------------

    def test(self, node: Branch) -> Doc:
        start = _index(node.parts, "{")
        steps = [part for part in node.parts[start + 1 : -1] if isinstance(part, Branch)]
        times = max((len(first_token(step.parts[1]).text) for step in steps), default=0)
        docs: list[Doc] = []
        for i, step in enumerate(steps):
            docs += [Line(None, i > 0 and self._blank(step)), self._step(step, times)]
        return [
            self._joined(node.parts[:start]),
            " ",
            self._brackets(node.parts[start], docs, node.parts[-1], pad=" "),
        ]

    def _step(self, step: Branch, times: int) -> Doc:
        """What happens at one time stands in one column, the same for all steps of a test."""
        at, time, *acts = step.parts
        head: list[Doc] = [self._doc(at), " ", self._doc(time)]
        if not acts:
            return head
        column = len("at ") + times + 2
        lines: list[Doc] = [self._doc(acts[0])]
        for act in acts[1:]:
            lines += [Line(None, self._blank(act)), self._doc(act)]
        return [*head, " " * (times - len(first_token(time).text) + 2), Indent(column, lines)]

    # ---- expressions -----------------------------------------------------------------------------

    def _chain(self, parts: list[Part]) -> Doc:
        """Operands with signs or words between: on one line, or each on its own behind its sign."""
        docs: list[Doc] = []
        for sign, operand in zip(parts[1::2], parts[2::2], strict=True):
            docs += [_SPACE, self._doc(sign), " ", self._doc(operand)]
        return Group([self._doc(parts[0]), Indent(2, docs)])

    def disjunction(self, node: Branch) -> Doc:
        return self._chain(node.parts)

    conjunction = disjunction

    def binary(self, node: Branch) -> Doc:
        """`a - b + c` lies in the tree as two constructs and reads as one."""
        parts: list[Part] = list(reversed(node.parts))
        first = parts[-1]
        while isinstance(first, Branch) and first.name == "binary" and first.rule == node.rule:
            parts[-1:] = reversed(first.parts)
            first = parts[-1]
        return self._chain(parts[::-1])

    def unary(self, node: Branch) -> Doc:
        sign, operand = node.parts
        return [self._doc(sign), " " if first_token(sign).text == "not" else "", self._doc(operand)]

    def _inside(self, node: Branch) -> Doc:
        opener, inner, closer = node.parts
        return self._brackets(opener, [Line(""), self._doc(inner)], closer, pad="")

    group = filter = knob_key = _inside

    def call(self, node: Branch) -> Doc:
        return [self._doc(node.parts[0]), self._separated(node.parts[1:])]

    def match(self, node: Branch) -> Doc:
        start = _index(node.parts, "{")
        return [self._joined(node.parts[:start]), " ", self._separated(node.parts[start:], pad=" ")]

    def list(self, node: Branch) -> Doc:
        return self._separated(node.parts)

    arguments = list

    def payload(self, node: Branch) -> Doc:
        return self._separated(node.parts, pad=" ")


def _form(part: Part) -> str:
    return part.name if isinstance(part, Branch) else ""


def _close(part: Part) -> bool:
    """Whether no space stands before it."""
    return part.text in _CLOSE_TO_THE_LEFT if isinstance(part, Token) else part.name in _BRACKETED


def _is_comma(part: Part) -> bool:
    return isinstance(part, Token) and part.text == ","


def _index(parts: list[Part], text: str, start: int = 0) -> int:
    """Where that sign stands among the parts."""
    return next(i for i in range(start, len(parts)) if getattr(parts[i], "text", None) == text)
