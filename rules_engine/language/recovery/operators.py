"""Known slips between two operands, two events or two parts of a clause."""

from __future__ import annotations

from rules_engine.language.lexer import END, Token
from rules_engine.language.recovery import slips
from rules_engine.language.recovery.repairer import FOREIGN, NO_VALUE, Repairer
from rules_engine.language.recovery.wording import kind_of, quoted

_LITERALS = frozenset({"NUMBER", "STRING", "BOOL", "DURATION"})


class OperatorRepairs(Repairer):
    """Signs and words that stand where another joins the same parts, and comparisons put in words."""

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (self._joint, self._is, self._spaced, self._chained, self._method)
        return any(attempt(token) for attempt in attempts)

    def _joint(self, token: Token) -> bool:
        """`on A, B`, `limit 3/1h`, `0 to 1`, `"a": 1; "b": 2`: another sign would fit right here."""
        machine = self.machine
        before = self._before()
        if before is not None and before.end == token.start and before.text + token.text in {"->", "=>"}:
            token = before if machine.unshift() else token
        text = self._text(token)
        word = token.text
        for written in (word,) if word.isalpha() else (text[:3], text[:2], text[:1]):
            behind = self._behind(token.start + len(written))
            if written == ";" and machine.begins_structure(machine.at + 1):
                return False  # it ends a clause
            if written == "followed" and self._next().text == "by":
                behind = self._behind(self._next().end)
            for meant in slips.JOINTS.get(written, ()):
                kinds = machine.tables.words.get(meant) or (kind_of(meant),)
                fitting = (k for k in kinds if any(machine.accepts(k, then) for then in behind))
                kind = next(fitting, None)
                if kind is None:
                    continue
                end = token.start + len(written)
                message = f"`{token.text if word.isalpha() else written}` stands where `{meant}` belongs"
                self._report(FOREIGN, token.start, end, message, f"type `{meant}`")
                if written == "followed" and self._next().text == "by":
                    end = self._next().end
                return self._replace(end, meant, kind) or True
        return False

    def _behind(self, offset: int) -> tuple[str, ...]:
        """What the first token from an offset on can be."""
        tokens = self.machine.tokens
        index = self.machine.at
        while tokens[index].kinds[0] != END and tokens[index].start < offset:
            index += 1
        return tokens[index].kinds

    def _is(self, token: Token) -> bool:
        """`is "fast"`, `is true`, `is not 3`, `is greater than 3`, `is in [...]`, `is not NULL`."""
        machine = self.machine
        before = self._before()
        if before is None or before.text != "is" or not machine.accepts("UNKNOWN"):
            return False
        words = [token.text.lower()]
        following = machine.tokens[machine.at + 1 : machine.at + 3]
        negated = words[0] == "not" and bool(following)
        if negated:
            token, following = following[0], following[1:]
        word = token.text.lower()
        if token.text in NO_VALUE | {"known", "unknown"} and machine.tokens[machine.at].text in {
            "not",
            token.text,
        }:
            return False  # `words.py` says it
        if word in {w.lower() for w in NO_VALUE} or word in slips.STATES:
            known = slips.STATES.get(word, "unknown")
            meant = ("unknown" if known == "known" else "known") if negated else known
            end, operator, first = token.end, meant, machine.tokens[machine.at]
        elif word in slips.COMPARED or word == "in" or token.kinds[0] in _LITERALS:
            operator = "in" if word == "in" else slips.COMPARED.get(word, "==")
            end = before.end if token.kinds[0] in _LITERALS and not negated else token.end
            if negated:
                operator = {"in": "not", "==": "!=", ">": "<=", "<": ">="}[operator]
                end = token.start if operator == "not" or token.kinds[0] in _LITERALS else token.end
            if following and word in slips.COMPARED and following[0].text in {"to", "than"}:
                end = following[0].end
            if not machine.unshift():
                return False
            first = before
        else:
            return False
        written = machine.source.text[first.start : end].strip()
        shown = f"not in` for `{written}" if operator == "not" else operator
        what = "`is` asks only whether a value is known" if first is before else f"`is {written}` is not said"
        self._report(FOREIGN, first.start, max(end, first.end), what, f"type `{shown}`")
        self._replace(max(end, first.end), operator)
        return True

    def _spaced(self, token: Token) -> bool:
        """`> =` for `>=`."""
        before = self._before()
        if token.text != "=" or before is None or before.text not in {"<", ">", "="}:
            return False
        meant = before.text + "="
        if not self.machine.unshift():
            return False
        self._report(FOREIGN, before.start, token.end, f"`{meant}` is one sign", f"type `{meant}`")
        return self._replace(token.end, meant) or True

    def _chained(self, token: Token) -> bool:
        """`0 < x < 1`."""
        machine = self.machine
        if token.kinds[0] != "COMPARE" or not machine.accepts("_AND", "NAME", "COMPARE"):
            return False
        advice = f"type `a {token.text} b` as a condition of its own, joined with `and`"
        self._report(FOREIGN, token.start, token.end, "comparisons do not chain", advice)
        self._spoil(token)
        for kind in ("_AND", "NAME"):
            machine.feed(Token((kind,), "missing", token.start, token.start))
        return True

    def _method(self, token: Token) -> bool:
        """`note.startswith("x")`."""
        machine = self.machine
        before = self._before()
        dot = machine.tokens[machine.at - 2] if machine.at > 1 else None
        if token.text != "(" or before is None or dot is None or dot.text != ".":
            return False
        advice = slips.OPERATOR_ADVICE.get(before.text, f"type `{before.text}(x)`: functions stand in front")
        self._report(
            FOREIGN, dot.start, before.end, f"values have no methods such as {quoted(before)}", advice
        )
        self.stuck = True
        return True
