"""Known slips in numbers and lengths of time."""

from __future__ import annotations

import re

from rules_engine.language.lexer import Token
from rules_engine.language.recovery import slips
from rules_engine.language.recovery.codes import WRONG_FORM
from rules_engine.language.recovery.repairer import OUT_OF_BOUNDS, Repairer
from rules_engine.language.recovery.wording import quoted


class NumberRepairs(Repairer):
    """Numbers and times as other languages write them."""

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (self._clock, self._spaced, self._percent, self._time, self._name, self._number)
        return any(attempt(token) for attempt in attempts)

    def _clock(self, token: Token) -> bool:
        """`PT5M`, `00:05:00`."""
        machine = self.machine
        if not machine.accepts("DURATION") or machine.accepts("NUMBER"):
            return False
        text = self._text(token)
        if found := re.match(r"P(?:(\d{1,4})D)?T?(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,4})S)?\b", text):
            parts = [int(part or 0) for part in found.groups()]
        elif found := re.match(r"(\d{1,4}):(\d\d)(?::(\d\d))?\b", text):
            parts = [0, *(int(part or 0) for part in found.groups())]
        else:
            return False
        days, hours, minutes, seconds = parts
        amount = slips.written_duration((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
        end = token.start + found.end()
        self._report(
            OUT_OF_BOUNDS,
            token.start,
            end,
            f"`{found[0]}` is not how a time is written",
            f"type `{amount}`",
        )
        return self._replace(end, amount, "DURATION") or True

    def _spaced(self, token: Token) -> bool:
        """`1h 30m`."""
        before = self._before()
        if token.kinds[0] != "DURATION" or before is None or before.kinds[0] != "DURATION":
            return False
        message = f"`{before.text} {token.text}` is not how a time is written"
        self._report(OUT_OF_BOUNDS, before.start, token.end, message, f"type `{before.text}{token.text}`")
        self._spoil(before)
        self.machine.at += 1
        return True

    def _percent(self, token: Token) -> bool:
        """`10 %`, `10 percent`, `5.`."""
        machine = self.machine
        before = self._before()
        if before is None or before.kinds[0] != "NUMBER":
            return False
        following = self._next()
        operand = machine.accepts("PLUS") and following.kinds[0] in {"NUMBER", "NAME", "LPAR"}
        if token.text == "." and token.start == before.end:
            message, advice = f"`{before.text}.` has no digit behind the point", before.text
        elif token.text in {"%", "percent", "pct"} and not (token.text == "%" and operand):
            written = machine.source.text[before.start : token.end]
            message, advice = f"`{quoted_plain(written)}` is not how a share is written", f"{before.text}%"
        else:
            return False
        self._report(OUT_OF_BOUNDS, before.start, token.end, message, f"type `{quoted_plain(advice)}`")
        self._spoil(before)
        machine.at += 1
        return True

    def _name(self, token: Token) -> bool:
        """`loop 2fast`."""
        machine = self.machine
        if token.kinds[0] != "BAD_NUMBER" or not machine.accepts("NAME") or machine.accepts("NUMBER"):
            return False
        if machine.accepts("DURATION"):
            return False
        meant = re.sub(r"\W", "_", token.text.lower())[:40]
        message = f"{quoted(token)} begins with a digit, a name with a letter"
        self._report(WRONG_FORM, token.start, token.end, message, f"type a name such as `x{meant}`")
        return self._replace(token.end, f"x{meant}", "NAME") or True

    def _time(self, token: Token) -> bool:
        """`5 minutes`, `5min`, `1.5h`, `30`: where a time belongs, or a number with a unit."""
        machine = self.machine
        before = self._before()
        if before is not None and before.kinds[0] == "NUMBER" and token.text.lower() in slips.UNITS:
            glued = token.kinds[-1] in {"NAME", "BAD_WORD", "EVENT"} and machine.values[-1:] == [before]
            if not (glued and machine.unshift()):
                return False
            token = before
        text = self._text(token)
        found = re.match(r"([0-9]+(?:\.[0-9]+)?)(?:\s*([A-Za-z]+))?", text)
        if found is None or token.kinds[0] not in {"NUMBER", "BAD_NUMBER"} or not machine.accepts("DURATION"):
            return False
        if token.kinds[0] == "BAD_NUMBER" and len(found[0]) < len(token.text):
            return False
        unit = slips.UNITS.get((found[2] or "").lower())
        if unit is None:
            if machine.accepts("NUMBER") or token.kinds[0] != "NUMBER":
                return False
            self._report(
                OUT_OF_BOUNDS,
                token.start,
                token.end,
                "a time needs a unit",
                f"type `{token.text}s` or `{token.text}m`: the units are `ms s m h d`",
            )
            self._spoil(token)
            return self._replace(token.end, "1s", "DURATION") or True
        if len(found[1]) > 30:
            return False
        amount = slips.written_duration(round(float(found[1]) * slips.UNIT_MS[unit]))
        written = found[0].strip()
        self._report(
            OUT_OF_BOUNDS,
            token.start,
            token.start + len(written),
            f"`{written}` is not how a time is written",
            f"type `{amount}`",
        )
        return self._replace(token.start + len(written), amount, "DURATION") or True

    def _number(self, token: Token) -> bool:
        machine = self.machine
        if token.text == "." and re.match(r"\.[0-9]+", self._text(token)) and machine.accepts("NUMBER"):
            end = token.start + len(re.match(r"\.[0-9]+%?", self._text(token))[0])  # type: ignore[index]
            written = machine.source.text[token.start : end]
            self._report(
                OUT_OF_BOUNDS,
                token.start,
                end,
                f"`{quoted_plain(written)}` has no digit before the point",
                f"type `0{quoted_plain(written)}`",
            )
            return self._replace(end, "0" + written, "NUMBER") or True
        if token.kinds[0] != "BAD_NUMBER":
            return False
        plain = token.text.replace("_", "")
        advice = "a number is written `12`, `0.75` or `25%`, a time `10m`"
        try:
            value = float(plain) if len(plain) < 30 else None
        except ValueError:
            value = None
        if plain.isdigit():
            advice = f"type `{quoted_plain(plain)}`"
        elif value is not None and abs(value) < 1e15:
            advice = f"type `{int(value) if value.is_integer() else f'{value:f}'.rstrip('0')}`"
        self._report(OUT_OF_BOUNDS, token.start, token.end, f"{quoted(token)} is not a number", advice)
        self._spoil(token)
        for kind, text in (("NUMBER", "1"), ("DURATION", "1s")):
            if machine.accepts(kind):
                self._replace(token.end, text, kind)
                return True
        machine.at += 1
        return True


def quoted_plain(text: str) -> str:
    """A piece of text short enough for a message."""
    return text if len(text) <= 40 else text[:37] + "..."
