"""Known slips in signs, quotes and comments."""

from __future__ import annotations

import unicodedata

from rules_engine.language.lexer import Token
from rules_engine.language.machine import Machine
from rules_engine.language.recovery import slips
from rules_engine.language.recovery.repairer import FOREIGN, Repairer
from rules_engine.language.recovery.wording import kind_of


class SignRepairs(Repairer):
    """Signs of other languages, and characters that only look like ours."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._marked_lines: set[int] = set()

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (
            *(self._conflict, self._invisible, self._quotes, self._comment, self._sigil),
            *(self._sign, self._equals, self._colon),
        )
        return any(attempt(token) for attempt in attempts)

    def _conflict(self, token: Token) -> bool:
        """`<<<<<<< HEAD`, what is left of a merge."""
        if token.kinds[0] != "BAD_CONFLICT":
            return False
        end = token.start + 7
        advice = "keep one of the two versions and remove the three marks"
        self._report(FOREIGN, token.start, end, "a merge left two versions here", advice)
        self._drop(token.end)
        return True

    def _sigil(self, token: Token) -> bool:
        """`$score`, `@score`, and `- set x = 1` as in a list."""
        machine = self.machine
        following = self._next()
        if token.text in {"$", "@"} and following.start == token.end and machine.accepts("NAME"):
            if following.kinds[-1] != "NAME" or machine.first_on_line(machine.at):
                return False
            message = f"no `{token.text}` stands before a name"
        elif token.text in {"-", "*"} and machine.first_on_line(machine.at):
            if machine.accepts("LPAR") or not any(machine.accepts(kind) for kind in following.kinds):
                return False
            message = f"no `{token.text}` stands before a clause"
        else:
            return False
        self._report(FOREIGN, token.start, token.end, message, f"remove the `{token.text}`")
        machine.at += 1
        return True

    def _invisible(self, token: Token) -> bool:
        if token.kinds[0] != "BAD_CHARACTER" or unicodedata.category(token.text) not in {
            "Zs",
            "Cf",
            "Cc",
            "Zl",
            "Zp",
        }:
            return False
        line, _ = self.machine.source.position(token.start)
        if line not in self._marked_lines:
            self._marked_lines.add(line)
            name = unicodedata.name(token.text, "a control character").lower()
            self._report(
                FOREIGN,
                token.start,
                token.end,
                f"an invisible character stands here: {name} (U+{ord(token.text):04X})",
                "type a plain space instead",
            )
        self.machine.at += 1
        return True

    def _quotes(self, token: Token) -> bool:
        if token.kinds[0] != "BAD_CHARACTER" or token.text not in slips.QUOTES:
            return False
        text = self._text(token)
        closing = next((i for i, c in enumerate(text[1:], 1) if c in slips.QUOTES or c == '"'), 0)
        end = token.start + (closing + 1 if closing else 1)
        inner = text[1:closing].replace('"', "'")
        self._report(
            FOREIGN,
            token.start,
            end,
            "a text stands between straight double quotes",
            f'type `"{inner}"`' if closing else 'type `"` on both sides',
        )
        self._spoil(token)
        if closing:
            self._replace(end, f'"{inner}"', "STRING")
        else:
            self.machine.at += 1
        return True

    def _comment(self, token: Token) -> bool:
        for sign in ("//", "/*", "--"):
            before = self._before()
            if token.text == sign[1] and before and before.text == sign[0] and before.end == token.start:
                if (sign == "--" and self.machine.accepts("NAME")) or not self.machine.unshift():
                    continue
                token = before
            elif not self._text(token).startswith(sign) or (
                sign == "--"
                and self.machine.accepts("MINUS")
                and not self.machine.first_on_line(self.machine.at)
            ):
                continue
            end = token.start + len(self._text(token))
            if sign == "/*":
                closing = self.machine.source.text.find("*/", token.start)
                end = closing + 2 if closing >= 0 else len(self.machine.source.text)
            self._report(FOREIGN, token.start, token.start + 2, "a comment starts with `#`", "type `#`")
            self._drop(end)
            return True
        return False

    def _sign(self, token: Token) -> bool:
        token = self._whole_sign(token)
        text = self._text(token)
        for length in (3, 2, 1):
            sign = text[:length]
            whole = len(sign) == length and token.start + length >= token.end
            if whole and (self._advised(token, sign) or self._replaced(token, sign)):
                return True
        return False

    def _whole_sign(self, token: Token) -> Token:
        """The first half of `<>`, `===` or `**` where that was read already, taken back."""
        before = self._before()
        if before is None or before.end != token.start or len(before.text) > 2:
            return token
        glued = before.text + token.text[:1]
        known = glued in {*slips.SIGNS, *slips.SIGN_ADVICE} and glued not in {"!", "&"}
        if known and self.machine.values[-1:] == [before] and self.machine.unshift():
            return before
        return token

    def _advised(self, token: Token, sign: str) -> bool:
        machine = self.machine
        if sign == "%" and self._ends_operand():
            return False  # `10 %`
        if sign not in slips.SIGN_ADVICE or (sign == "|" and not machine.accepts("_OR")):
            return False
        end = token.start + len(sign)
        self._report(FOREIGN, token.start, end, f"there is no sign `{sign}`", slips.SIGN_ADVICE[sign])
        self._drop(end)
        self._spoil(token)
        if machine.accepts("PLUS") and sign in {"**", "^", "%"}:
            machine.feed(Token(("PLUS",), "+", token.start, token.start))
        self.stuck = not any(machine.accepts(kind) for kind in machine.tokens[machine.at].kinds)
        return True

    def _ends_operand(self) -> bool:
        """Whether no operand follows: a share such as `10 %` was meant, no remainder."""
        machine = self.machine
        fits = any(machine.accepts("PLUS", kind) for kind in self._next().kinds)
        return not fits or machine.first_on_line(machine.at + 1)

    def _replaced(self, token: Token, sign: str) -> bool:
        if sign not in slips.SIGNS:
            return False
        meant, why = slips.SIGNS[sign]
        if meant and not self.machine.accepts(kind_of(meant)):
            return False
        end = token.start + len(sign)
        advice = f"type `{meant}`" if meant else f"remove the `{sign}`"
        self._report(FOREIGN, token.start, end, f"there is no sign `{sign}`: {why}", advice)
        if meant:
            self._replace(end, meant)
        else:
            self._drop(end)
        return True

    def _equals(self, token: Token) -> bool:
        machine = self.machine
        if token.text == "=" and machine.accepts("COLON") and not machine.accepts("EQ"):
            self._report(FOREIGN, token.start, token.end, "`=` stands where `:` belongs", "type `:`")
            return self._replace(token.end, ":") or True
        if token.text == "=" and machine.accepts("RSQB", "EQ"):
            return False  # `set k[x = 1`: the bracket is missing
        if token.text == "=" and machine.accepts("COMPARE"):
            self._report(FOREIGN, token.start, token.end, "`=` sets a value, `==` compares", "type `==`")
            return self._replace(token.end, "==") or True
        if token.text == "==" and machine.accepts("EQ"):
            self._report(FOREIGN, token.start, token.end, "`==` compares, `=` sets a value", "type `=`")
            return self._replace(token.end, "=") or True
        return False

    def _colon(self, token: Token) -> bool:
        """`loop x:`, `on: A`, `cooldown: 30s`, `let x: 5`."""
        if token.text != ":":
            return False
        machine = self.machine
        following = machine.tokens[machine.at + 1 : machine.at + 3]
        if self._needless_type(token, following):
            return True
        for meant in ("=", "in"):
            if machine.accepts(kind_of(meant)) and not machine.accepts("COMPARE"):
                self._report(
                    FOREIGN, token.start, token.end, f"`:` stands where `{meant}` belongs", f"type `{meant}`"
                )
                self._replace(token.end, meant)
                return True
        last_on_line = machine.first_on_line(machine.at + 1)
        if any(machine.accepts(kind) for kind in following[0].kinds) or last_on_line:
            self._report(FOREIGN, token.start, token.end, "no `:` stands here", "remove the `:`")
            machine.at += 1
            return True
        return False

    def _needless_type(self, token: Token, following: list[Token]) -> bool:
        """`let x: float = 5`, `knob k: float in 0..1 = 0.5`."""
        machine = self.machine
        if [t.kinds[0] for t in following] not in (["NAME", "IN"], ["NAME", "EQ"]):
            return False
        if machine.accepts("COMPARE") or not machine.accepts(following[1].kinds[0]):
            return False
        message = "no type stands here: the value says it"
        self._report(FOREIGN, token.start, following[0].end, message, f"remove `: {following[0].text}`")
        self._drop(following[0].end)
        return True
