"""Known slips of more than one word."""

from __future__ import annotations

import re

from rules_engine.language.lexer import Token
from rules_engine.language.recovery import slips
from rules_engine.language.recovery.codes import WRONG_FORM
from rules_engine.language.recovery.repairer import FOREIGN, Repairer
from rules_engine.language.recovery.wording import kind_of

_TYPES = frozenset({"str", "int", "float", "bool", "duration", "list", "map"})
_GLUED = re.compile(r"(limit|when|set|emit|do|on|per|with|cooldown|gather|after)([0-9A-Z]\w*|[a-z_]{3,})")


class PhraseRepairs(Repairer):
    """Words too many, words glued together, and texts that lost their quotes."""

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (
            *(self._prefix, self._bare_word, self._unquoted_line, self._three_quotes),
            *(self._type_first, self._two_words, self._glued),
        )
        return any(attempt(token) for attempt in attempts)

    def _prefix(self, token: Token) -> bool:
        """`case "a": 1`, `f"{x}"`, `optional str`."""
        before = self._before()
        if before is None or before.text not in slips.PREFIXES or before.kinds != ("NAME",):
            return False
        if token.kinds[0] not in {"STRING", "NAME", "NUMBER"} or not self.machine.unshift():
            return False
        advice = slips.PREFIXES[before.text]
        self._report(FOREIGN, before.start, before.end, f"no `{before.text}` stands here", advice)
        self.machine.at += 1
        return True

    def _bare_word(self, token: Token) -> bool:
        """`type speed = fast | slow`."""
        before = self._before()
        if token.text != "|" or before is None or before.kinds != ("NAME",) or not self.machine.unshift():
            return False
        self._report(
            WRONG_FORM, before.start, before.end, "a text stands in quotes", f'type `"{before.text}"`'
        )
        return self._replace(before.end, f'"{before.text}"', "STRING") or True

    def _unquoted_line(self, token: Token) -> bool:
        """`on cron 0 3 * * *`, `x matches /hex.*/`."""
        before = self._before()
        if before is None or not self.machine.accepts("STRING") or self.machine.accepts("NUMBER"):
            return False
        found = None
        if before.text == "cron":
            found = re.match(r"[\d*][\d*/,\s-]*[\d*]", self._text(token))
        elif before.text == "matches":
            found = re.match(r"/[^/\s]+/", self._text(token))
        if found is None:
            return False
        end = token.start + found.end()
        meant = found[0].strip("/").replace(".*", "*")
        self._report(WRONG_FORM, token.start, end, "a text stands in quotes", f'type `"{meant}"`')
        self._spoil(token)
        return self._replace(end, f'"{meant}"', "STRING") or True

    def _three_quotes(self, token: Token) -> bool:
        """`\"\"\"x\"\"\"`."""
        before = self._before()
        if before is None or before.text != '""' or token.start != before.end or token.text[:1] != '"':
            return False
        self._report(
            FOREIGN, before.start, token.start + 1, 'a text stands between single `"`', 'type one `"`'
        )
        self._spoil(before)
        text = self._text(token)
        self._drop(token.start + (text.find('"""', 1) + 3 if '"""' in text[1:] else len(text)))
        return True

    def _type_first(self, token: Token) -> bool:
        """`{ str a }`."""
        before, machine = self._before(), self.machine
        if before is None or before.text not in _TYPES or token.kinds[-1] != "NAME":
            return False
        if not machine.accepts("COLON", "NAME") or machine.accepts("EQ"):
            return False
        meant = f"{token.text}: {before.text}"
        self._report(FOREIGN, before.start, token.end, "the type stands behind the name", f"type `{meant}`")
        self._spoil(before)
        machine.feed(Token(("COLON",), ":", token.start, token.start))
        return True

    def _two_words(self, token: Token) -> bool:
        """`loop low quality`."""
        values, machine = self.machine.values, self.machine
        first = self._before()
        heads = (
            len(values) > 1 and isinstance(values[-2], Token) and values[-2].kinds[0] in {"_LOOP", "_KNOB"}
        )
        if first is None or not heads or values[-1] is not first or machine.first_on_line(machine.at):
            return False

        found = re.match(r"[a-z_]\w*(?: [a-z_]\w*)*(?=\s*(?:#|$))", self._text(token))
        if found is None or token.kinds[-1] != "NAME":
            return False
        end = token.start + found.end()
        meant = machine.source.text[first.start : end].replace(" ", "_")
        self._report(WRONG_FORM, first.start, end, "a name is one word", f"type `{meant}`")
        self._drop(end)
        return True

    def _glued(self, token: Token) -> bool:
        """`limit3 per 1h`, `emitSTALLED { }`."""
        machine = self.machine
        found = _GLUED.fullmatch(token.text)
        if found is None or not machine.first_on_line(machine.at) or not machine.accepts(kind_of(found[1])):
            return False
        kind = {"d": "NUMBER", "u": "EVENT"}.get(
            "d" if found[2].isdigit() else "u" if found[2].isupper() else "", kind_of(found[2])
        )
        if not any(machine.accepts(kind_of(found[1]), k) for k in (kind, "NAME")):
            return False
        message = f"a space is missing in `{token.text}`"
        self._report(FOREIGN, token.start, token.end, message, f"type `{found[1]} {found[2]}`")
        cut = token.start + len(found[1])
        machine.tokens[machine.at : machine.at + 1] = [
            Token((kind_of(found[1]),), found[1], token.start, cut),
            Token((kind,), found[2], cut, token.end),
        ]
        return True
