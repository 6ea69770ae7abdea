"""Known slips in types, ranges, sets of words and filters."""

from __future__ import annotations

import re

from rules_engine.language.lexer import Token
from rules_engine.language.recovery.place import CLOSER
from rules_engine.language.recovery.repairer import FOREIGN, Repairer
from rules_engine.language.recovery.wording import kind_of


class GroupRepairs(Repairer):
    """Brackets around what has none here, and other brackets around what has."""

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (self._filter, self._range, self._words, self._typed)
        return any(attempt(token) for attempt in attempts)

    def _closing(self, token: Token) -> int | None:
        """The index of the other half of a bracket on the same clause."""
        level = 0
        for index in range(self.machine.at, min(self.machine.at + 200, len(self.machine.tokens))):
            text = self.machine.tokens[index].text
            level += (text == token.text) - (text == CLOSER[token.text])
            if level == 0:
                return index
        return None

    def _reread(self, index: int, text: str) -> None:
        """Reads the token at an index as another sign."""
        old = self.machine.tokens[index]
        self.machine.tokens[index] = Token((kind_of(text),), text, old.start, old.end)

    def _filter(self, token: Token) -> bool:
        """`on A(x > 1)`, `on A { x > 1 }`."""
        before = self._before()
        if token.text not in {"(", "{"} or before is None or before.kinds[0] not in {"EVENT", "GLOB"}:
            return False
        closing = self._closing(token)
        if closing is None or not self.machine.accepts("LSQB") or not self.machine.accepts("_OR"):
            return False
        self._report(
            FOREIGN,
            token.start,
            token.end,
            "the filter of an event stands in square brackets",
            "type `[ ... ]`",
        )
        self._reread(self.machine.at, "[")
        self._reread(closing, "]")
        return True

    def _range(self, token: Token) -> bool:
        """`in [0, 1]`."""
        machine = self.machine
        if token.text not in {"(", "["} or not machine.accepts("NUMBER", kind_of("..")):
            return False
        found = re.match(r"[(\[]\s*(-?[\d.]+%?)\s*(?:,|\.\.+|-|to)\s*(-?[\d.]+%?)\s*[)\]]", self._text(token))
        if found is None:
            return False
        end = token.start + found.end()
        meant = f"{found[1]}..{found[2]}"
        self._report(FOREIGN, token.start, end, "a range stands without brackets", f"type `{meant}`")
        low, high = self._signed(found[1], token.start), self._signed(found[2], end)
        dots = Token((kind_of(".."),), "..", end, end)
        self._drop(end)
        machine.tokens[machine.at : machine.at] = [*low, dots, *high]
        return True

    def _signed(self, number: str, at: int) -> list[Token]:
        sign = [Token(("MINUS",), "-", at, at)] if number.startswith("-") else []
        return [*sign, Token(("NUMBER",), number.removeprefix("-"), at, at)]

    def _words(self, token: Token) -> bool:
        """`type t = ["a", "b"]`, `type t { "a", "b" }`."""
        machine = self.machine
        if token.text not in CLOSER:
            return False
        assigned = machine.accepts("STRING", kind_of("|"))
        if not assigned and not machine.accepts(kind_of("="), "STRING", kind_of("|")):
            return False
        closing = self._closing(token)
        inner = machine.tokens[machine.at + 1 : closing] if closing else []
        if not inner or any(t.kinds[0] not in {"STRING", "COMMA"} for t in inner):
            return False
        words = " | ".join(t.text for t in inner if t.kinds[0] == "STRING")
        meant = words if assigned else f"= {words}"
        self._report(
            FOREIGN,
            token.start,
            machine.tokens[closing or 0].end,
            "words stand without brackets",
            f"type `{meant}`",
        )
        for offset, one in enumerate(inner, machine.at + 1):
            if one.text == ",":
                self._reread(offset, "|")
        if closing is not None:
            del machine.tokens[closing]
        if assigned:
            machine.at += 1
        else:
            self._reread(machine.at, "=")
        return True

    def _typed(self, token: Token) -> bool:
        """`list[str]`, `list<str>`."""
        before = self._before()
        if before is None or before.text not in {"list", "map"} or not self.machine.accepts("MAYBE"):
            return False
        found = re.match(r"(?:\[[\w\s,?]*\]|<[\w\s,?]*>|\([\w\s,?]*\))", self._text(token))
        if found is None:
            return False
        end = token.start + found.end()
        self._report(
            FOREIGN,
            token.start,
            end,
            f"a {before.text} does not say what is in it",
            f"type `{before.text}` alone",
        )
        self._drop(end)
        return True
