"""The parser's stack machine: shifts tokens, applies productions, builds the tree from below."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.grammar import Action, Production, grammar
from rules_engine.language.lexer import END, Token
from rules_engine.language.source import Source, Span
from rules_engine.language.tree import TreeBuilder

MAX_DEPTH = 100


OVER_LIMIT = Code(
    "RE009",
    "over-limit",
    Severity.ERROR,
    "A file is too long or holds too many mistakes, or something nests too deeply.",
)

#: Declarations, clauses and steps of tests: what a mistake inside costs, and no more than that.
_DROPPED_WHOLE = frozenset(
    {
        *("named_type", "event", "action", "knob", "let", "loop", "annotation", "test", "test_step"),
        *("on", "per", "local", "when", "cooldown", "gather", "limit", "after", "cleared", "failed"),
        *("set", "emit", "do", "send", "given", "expect", "stub", "restart", "reload"),
    }
)


_CLOSING = frozenset({"RPAR", "RSQB", "RBRACE", "COMMA"})


class _Dropped:
    """Stands for what is left out of the tree."""


DROPPED = _Dropped()


class _Run(list[Any]):
    """Parts on their way to the rule that wants them."""


@cache
def structure_words() -> dict[str, frozenset[str]]:
    """The words that begin a declaration, a clause or a step, with the terminals that can follow."""
    tables = grammar()
    words = {name for word, names in tables.words.items() if word in _STRUCTURE for name in names}
    follow: dict[str, set[str]] = {}
    for row in tables.rows:
        for symbol, action in row.items():
            if symbol in words and isinstance(action, int):
                shifts = {k for k, a in tables.rows[action].items() if k.isupper() and isinstance(a, int)}
                follow.setdefault(symbol, set()).update(shifts)
    return {symbol: frozenset(kinds - {END}) for symbol, kinds in follow.items()}


DECLARATION_WORDS = ("type", "event", "action", "knob", "let", "loop", "test")
#: In the order people write them.
CLAUSE_WORDS = (
    *("on", "per", "with", "when", "cooldown", "limit", "gather"),
    *("set", "emit", "do", "after", "cleared", "failed"),
)
STEP_WORDS = ("at", "send", "given", "expect", "stub", "restart", "reload")
_STRUCTURE = frozenset({*DECLARATION_WORDS, *CLAUSE_WORDS, *STEP_WORDS})


class Machine:
    """One parse of one text. Recovery reads and bends its stacks, which are parallel."""

    #: More than a hundred levels of anything can take: a text beyond is refused before it is read whole.
    MAX_STACK = 2_000

    def __init__(self, source: Source, tokens: list[Token], entry: str) -> None:
        self.source = source
        self.tokens = tokens
        self.entry = entry
        self.tables = grammar()
        self.builder = TreeBuilder(source)
        self.at = 0  # the token to look at next
        self.end = tokens[0].start  # where the last shifted token ended
        self.states = [self.tables.entry[entry]]
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.depths: list[int] = []
        self.findings: list[Diagnostic] = []
        self.broken: list[s.Broken] = []

    def all_findings(self) -> list[Diagnostic]:
        """What was found, in order of place."""
        return sorted(self.findings + self.builder.findings, key=lambda d: (d.span.start, d.span.end))

    def run(self, recover: Callable[[], bool]) -> Any:
        """The value of the start rule, or None where recovery gave up.

        `recover` is called with the stacks as they are at a token that does not fit. It changes
        stacks or tokens so that it does, or moves on, and says whether to continue.
        """
        rows, tokens = self.tables.rows, self.tokens
        states, values, starts, depths = self.states, self.values, self.starts, self.depths
        goal = self.tables.goal[self.entry]
        while True:
            token = tokens[self.at]
            row = rows[states[-1]]
            kind: str | None = token.kinds[0]
            if kind not in row or kind in _CLOSING:
                kind = self._as_what(token, row)
                if kind is None:
                    if not recover():
                        return None
                    continue
            while True:
                action = rows[states[-1]].get(kind)
                if isinstance(action, Production):
                    if action.unit:
                        states[-1] = rows[states[-2]][action.origin]  # type: ignore[assignment]
                        continue
                    self.reduce(action)
                    if kind == END and states[-1] == goal:
                        return values[-1]
                elif action is None or len(states) > self.MAX_STACK:
                    if not recover():
                        return None
                    break
                else:
                    states.append(action)
                    values.append(token)
                    starts.append(token.start)
                    depths.append(0)
                    self.end = token.end
                    self.at += 1
                    break

    def _as_what(self, token: Token, row: dict[str, Action]) -> str | None:
        """The terminal to read a token as; None for what must not even begin to be read."""
        kind = token.kinds[0]
        if kind in _CLOSING:  # before anything is reduced for its sake, after which nothing else could follow
            return kind if self.accepts(kind) else None
        fitting = next((k for k in token.kinds if k in row), kind)
        if fitting == "NAME" != kind and kind in structure_words() and self.begins_structure(self.at):
            return None
        return fitting

    def begins_structure(self, index: int) -> bool:
        """Whether a token is a clause word, and no field of that name: first on its line, followed by
        what can follow such a word, where such a word could come if all before were in order."""
        token = self.tokens[min(index, len(self.tokens) - 1)]
        kind = token.kinds[0]
        follow = structure_words().get(kind)
        if follow is None or not self.first_on_line(index):
            return False
        if kind == "_RESTART":
            fits = self.tokens[index + 1].text in {*STEP_WORDS, "}"}
        else:
            fits = any(k in follow for k in self.tokens[index + 1].kinds)
        return fits and self.depth_accepting(kind) > 0

    def first_on_line(self, index: int) -> bool:
        """Whether nothing but space stands before a token on its line."""
        index = min(index, len(self.tokens) - 1)
        before = self.tokens[index - 1].end if index else 0
        return index == 0 or "\n" in self.source.text[before : self.tokens[index].start]

    # ---- applying productions --------------------------------------------------------------------

    def reduce(self, production: Production) -> None:
        """Replaces the last parts on the stacks by what they make together."""
        states, values, starts, depths = self.states, self.values, self.starts, self.depths
        size = production.size
        if size == 1:
            depth = depths[-1]
            start = starts[-1]
            value = self._build(production, values[-1:], start)
            states.pop()
            values[-1] = value
        else:
            if size:
                parts = values[-size:]
                start = starts[-size]
                depth = max(depths[-size:])
                del states[-size:], values[-size:], starts[-size:], depths[-size:]
            else:
                parts, start, depth = [], self.end, 0
            value = self._build(production, parts, start)
            values.append(value)
            starts.append(start)
            depths.append(depth)
        target = self.tables.rows[states[-1]][production.origin]
        assert isinstance(target, int)
        states.append(target)
        if production.deepens:
            depths[-1] = self._deeper(depth, start)

    def _build(self, production: Production, parts: list[Any], start: int) -> Any:
        taken = self._taken(production, parts)
        if production.gathers or (production.passes and len(taken) == 1):
            return taken if production.gathers else taken[0]
        spoiled = self.builder.spoiled
        if spoiled and spoiled[-1] >= start and production.origin in _DROPPED_WHOLE:
            while spoiled and spoiled[-1] >= start:
                spoiled.pop()
            self.leave_out(parts, start, self.end)
            return DROPPED
        return getattr(self.builder, production.name)(Span(self.source.path, start, self.end), taken)

    def _taken(self, production: Production, parts: list[Any]) -> list[Any]:
        """The parts that go into the tree, those of inner lists among them."""
        taken: list[Any] = _Run()
        for index, splice in production.picks:
            if index < 0:
                taken.append(None)
            elif not splice:
                if parts[index] is not DROPPED or not production.gathers:
                    taken.append(parts[index])
            elif taken:
                taken.extend(parts[index])
            else:
                taken = parts[index]
        return taken

    def _deeper(self, depth: int, start: int) -> int:
        if depth < MAX_DEPTH:
            return depth + 1
        self.builder.spoiled.append(start)
        reported = self.findings[-1] if self.findings else None
        if reported is None or reported.code is not OVER_LIMIT or reported.span.start < start:
            self.findings.append(
                OVER_LIMIT.at(
                    Span(self.source.path, start, self.end),
                    f"this expression is more than {MAX_DEPTH} steps deep",
                    help="give a part of it a name, with `with` in the loop or with `let`",
                )
            )
        self.values[-1] = s.LiteralValue(Span(self.source.path, start, self.end), 0)
        return 0

    def leave_out(self, parts: list[Any], start: int, end: int) -> None:
        """Records that a declaration, clause or step is not in the tree."""
        tokens = [part for part in parts if isinstance(part, Token)]
        declares = bool(tokens) and tokens[0].text in {*DECLARATION_WORDS, "with"}
        names = [t for t in tokens[1:2] if declares and t.kinds[-1] in {"NAME", "EVENT", "ACTION"}]
        self.broken.append(
            s.Broken(
                Span(self.source.path, start, end),
                tokens[0].text if tokens else "",
                self.builder.name(names[0]) if names else None,
            )
        )

    # ---- what recovery asks and does -------------------------------------------------------------

    def accepts(self, *kinds: str, depth: int | None = None) -> bool:
        """Whether these terminals could come next, one after the other."""
        rows = self.tables.rows
        stack = _Tail(self.states, len(self.states) if depth is None else depth)
        for kind in kinds:
            while True:
                action = rows[stack.top].get(kind)
                if action is None:
                    return False
                if isinstance(action, int):
                    stack.push(action)
                    break
                stack.pop(action.size)
                target = rows[stack.top][action.origin]
                assert isinstance(target, int)
                stack.push(target)
                if kind == END and target == self.tables.goal[self.entry]:
                    return True
        return True

    def depth_accepting(self, kind: str) -> int:
        """How much of the stack to keep so that a terminal can come next; 0 when nothing helps."""
        rows = self.tables.rows
        for depth in range(len(self.states), 0, -1):
            if kind in rows[self.states[depth - 1]] and self.accepts(kind, depth=depth):
                return depth
        return 0

    def feed(self, token: Token) -> bool:
        """Puts in a token that is not in the text; whether it fitted."""
        kind = token.kinds[0]
        if not self.accepts(kind):
            return False
        while True:
            action = self.tables.rows[self.states[-1]][kind]
            if isinstance(action, int):
                break
            self.reduce(action)
        self.states.append(action)
        self.values.append(token)
        self.starts.append(token.start)
        self.depths.append(0)
        return True

    def unshift(self) -> bool:
        """Takes the last token back, unless it is already part of something."""
        if not (self.values and isinstance(self.values[-1], Token)):
            return False
        token = self.values[-1]
        if self.at == 0 or token is not self.tokens[self.at - 1]:
            return False
        del self.states[-1:], self.values[-1:], self.starts[-1:], self.depths[-1:]
        self.at -= 1
        self.end = self.tokens[self.at - 1].end if self.at else self.tokens[0].start
        return True

    def truncate(self, depth: int) -> None:
        """Forgets what was begun above that depth of the stack."""
        cut = depth - 1
        if cut < len(self.values):
            parts, start = self.values[cut:], self.starts[cut]
            spoiled = self.builder.spoiled
            while spoiled and spoiled[-1] >= start:
                spoiled.pop()
            self.leave_out(parts, start, self.end)
            del self.states[depth:], self.values[cut:], self.starts[cut:], self.depths[cut:]
            if not (isinstance(parts[0], Token) and parts[0].kinds[0] in structure_words()):
                spoiled.append(start)  # the rest of the clause does not stand alone


class _Tail:
    """A stack that begins as the first `depth` entries of another and never changes that one."""

    def __init__(self, below: list[int], depth: int) -> None:
        self._below = below
        self._depth = depth
        self._above: list[int] = []

    @property
    def top(self) -> int:
        return self._above[-1] if self._above else self._below[self._depth - 1]

    def push(self, state: int) -> None:
        self._above.append(state)

    def pop(self, count: int) -> None:
        over = min(count, len(self._above))
        if over:
            del self._above[-over:]
        self._depth -= count - over
