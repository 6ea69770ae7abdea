"""Known slips in brackets."""

from __future__ import annotations

from rules_engine.language.lexer import Token
from rules_engine.language.machine import Machine
from rules_engine.language.recovery.repairer import FOREIGN, Repairer
from rules_engine.language.recovery.wording import kind_of


class BracketRepairs(Repairer):
    """Braces around loops, parentheses around payloads."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._needless: set[int] = set()  # offsets of brackets whose other half was reported

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (self._needless_bracket, self._loop_braces, self._payload_brackets)
        return any(attempt(token) for attempt in attempts)

    def _matching(self, at: int, opening: str, closing: str) -> int | None:
        """The index of the bracket that closes the one at an index, within a thousand tokens."""
        level = 0
        for index in range(at, min(at + 1000, len(self.machine.tokens))):
            text = self.machine.tokens[index].text
            level += (text == opening) - (text == closing)
            if level == 0:
                return index
        return None

    def _needless_bracket(self, token: Token) -> bool:
        if token.start not in self._needless:
            return False
        self.machine.at += 1
        return True

    def _loop_braces(self, token: Token) -> bool:
        """`loop x { ... }`."""
        machine = self.machine
        if token.text != "{" or not machine.accepts("_WHEN"):
            return False
        values = [v for v in machine.values if isinstance(v, Token)]
        if not values or values[-1].kinds[0] not in {"NAME", "STRING"}:
            return False
        closing = self._matching(machine.at, "{", "}")
        self._report(
            FOREIGN,
            token.start,
            token.end,
            "no braces stand around a loop",
            "remove them: a loop ends where the next declaration begins",
        )
        if closing is not None:
            self._needless.add(machine.tokens[closing].start)
        machine.at += 1
        return True

    def _payload_brackets(self, token: Token) -> bool:
        """`emit E(...)`, `do H.a { ... }`, and both without anything behind them."""
        machine = self.machine
        before = self._before()
        if before is None or before.kinds[0] not in {"EVENT", "ACTION"}:
            return False
        right = ("{", "}") if before.kinds[0] == "EVENT" else ("(", ")")
        wrong = {"(": ")", "[": "]", "{": "}"}
        if not machine.accepts(kind_of(right[0])) or machine.accepts("_OR"):
            return False
        what = "the fields of an event stand" if right[0] == "{" else "the arguments of an action stand"
        where = "in braces" if right[0] == "{" else "in parentheses"
        if token.text == right[0]:
            return False
        if token.text in wrong:
            self._report(
                FOREIGN, token.start, token.end, f"{what} {where}", f"type `{right[0]} ... {right[1]}`"
            )
            closing = self._matching(machine.at, token.text, wrong[token.text])
            for index, text in ((machine.at, right[0]), (closing, right[1])):
                if index is not None:
                    old = machine.tokens[index]
                    machine.tokens[index] = Token((kind_of(text),), text, old.start, old.end)
            if closing is None:
                self._spoil(token)
            return True
        self._report(
            FOREIGN,
            before.start,
            before.end,
            f"{what} {where}, also when there are none",
            f"type `{before.text}{' ' if right[0] == '{' else ''}{right[0]}{right[1]}`",
        )
        for text in right:
            machine.feed(Token((kind_of(text),), text, before.end, before.end))
        self._spoil(before)
        return True
