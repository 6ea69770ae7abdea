"""Known slips in names and words."""

from __future__ import annotations

import re

from rules_engine.language.grammar import grammar
from rules_engine.language.lexer import Token
from rules_engine.language.recovery import slips
from rules_engine.language.recovery.codes import WRONG_FORM
from rules_engine.language.recovery.repairer import FOREIGN, NO_VALUE, Repairer
from rules_engine.language.recovery.wording import kind_of

_ACTION_NAME = re.compile(r"[A-Z][A-Za-z0-9]*\.[a-z_][a-z0-9_]*\b")
_HYPHENATED = re.compile(r"[A-Za-z_]\w*(?:-\w+)+")
_BARE_TEXT = re.compile(r"[\w*?.:/-]+")
_BOOLS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false", "yes": "true", "no": "false"}


class WordRepairs(Repairer):
    """Names in the wrong form, and words of other languages."""

    def attempt(self, token: Token) -> bool:
        """Whether one of these slips was found; then it is reported and mended."""
        attempts = (self._quoted_name, self._no_value, self._hyphen, self._name_form, self._foreign_word)
        return any(attempt(token) for attempt in attempts)

    def _quoted_name(self, token: Token) -> bool:
        machine = self.machine
        plain = token.text.strip('"')
        if token.kinds[0] == "STRING" and re.fullmatch(r"[a-z_][a-z0-9_]*", plain):
            if not machine.accepts("NAME") or machine.accepts("NUMBER"):
                return False
            self._report(
                WRONG_FORM, token.start, token.end, "a name stands without quotes", f"type `{plain}`"
            )
            return self._replace(token.end, plain, "NAME") or True
        if token.kinds[0] == "STRING" and not machine.accepts("STRING") and self._unquoted(token, plain):
            return True
        bare = token.kinds[-1] in {"NAME", "BAD_WORD", "EVENT"} or token.kinds[0] in {"STAR", "ACTION"}
        if bare and machine.accepts("STRING") and not (machine.accepts("NAME") or machine.accepts("_WHEN")):
            if machine.begins_structure(machine.at):
                return False
            found = _BARE_TEXT.match(self._text(token))
            if found is None:
                return False
            end = token.start + max(len(found[0]), len(token.text))
            self._report(WRONG_FORM, token.start, end, "a text stands in quotes", f'type `"{found[0]}"`')
            self._spoil(token)
            return self._replace(end, f'"{found[0]}"', "STRING") or True
        return False

    def _unquoted(self, token: Token, plain: str) -> bool:
        """`cooldown "5m"`, `limit "3" per 1h`, `on "A"`."""
        forms = {
            "DURATION": (r"(?:\d+(?:ms|s|m|h|d))+", "a time stands without quotes"),
            "NUMBER": (r"\d+(?:\.\d+)?%?", "a number stands without quotes"),
            "EVENT": (r"[A-Z][A-Z0-9_]*", "an event's name stands without quotes"),
            "ACTION": (r"[A-Z][A-Za-z0-9]*\.[a-z_][a-z0-9_]*", "an action's name stands without quotes"),
        }
        for kind, (form, message) in forms.items():
            if self.machine.accepts(kind) and re.fullmatch(form, plain):
                self._report(WRONG_FORM, token.start, token.end, message, f"type `{plain}`")
                return self._replace(token.end, plain, kind) or True
        return False

    def _no_value(self, token: Token) -> bool:
        """`None`, `is null`, `True`."""
        machine = self.machine
        if token.text in NO_VALUE and machine.accepts("UNKNOWN"):
            self._report(
                FOREIGN,
                token.start,
                token.end,
                f"there is no `{token.text}`: what is absent is unknown",
                "type `unknown`",
            )
            return self._replace(token.end, "unknown") or True
        if token.text == "not" and machine.accepts("UNKNOWN"):
            following = machine.tokens[machine.at + 1]
            meant = "unknown" if following.text == "known" else "known"
            if following.text in NO_VALUE | {"known", "unknown"}:
                self._report(
                    FOREIGN,
                    token.start,
                    following.end,
                    f"`is not {following.text}` is written as one word",
                    f"type `is {meant}`",
                )
                return self._replace(following.end, meant) or True
        if not machine.accepts("LPAR"):
            return False
        if token.text in _BOOLS and machine.accepts("BOOL"):
            meant = _BOOLS[token.text]
            self._report(
                FOREIGN, token.start, token.end, f"`{token.text}` is written `{meant}`", f"type `{meant}`"
            )
            return self._replace(token.end, meant, "BOOL") or True
        if token.text in NO_VALUE:
            self._report(
                FOREIGN,
                token.start,
                token.end,
                f"there is no `{token.text}`: what is absent is unknown",
                "ask with `x is known` or `x is unknown`, or leave the field out",
            )
            self._spoil(token)
            return self._replace(token.end, "missing", "NAME") or True
        return False

    def _hyphen(self, token: Token) -> bool:
        """`loop my-loop`."""
        machine = self.machine
        before = self._before()
        if token.text != "-" or before is None or before.end != token.start:
            return False
        found = _HYPHENATED.match(machine.source.text, before.start, before.start + 200)
        if found is None or before.kinds[-1] not in {"NAME", "BAD_WORD"} or not machine.unshift():
            return False
        meant = found[0].replace("-", "_")
        self._report(
            WRONG_FORM, before.start, found.end(), "a name has letters, digits and `_`", f"type `{meant}`"
        )
        return self._replace(found.end(), meant, "NAME") or True

    def _name_form(self, token: Token) -> bool:
        machine = self.machine
        kind = token.kinds[-1]
        if kind not in {"NAME", "BAD_WORD", "EVENT", "ACTION"} or machine.begins_structure(machine.at):
            return False
        if machine.accepts("NAME") and kind in {"BAD_WORD", "EVENT"} and token.text not in NO_VALUE:
            meant = _snake(token.text)
            self._report(
                WRONG_FORM, token.start, token.end, "this name is written in small letters", f"type `{meant}`"
            )
            if not self._heads_loop():
                self._spoil(token)
            return self._replace(token.end, meant, "NAME") or True
        if machine.accepts("EVENT") and not machine.accepts("NAME") and kind in {"NAME", "BAD_WORD"}:
            if len(token.kinds) > 1 and not any(machine.accepts("EVENT", k) for k in self._next().kinds):
                return False
            meant = _snake(token.text).upper()
            self._report(
                WRONG_FORM,
                token.start,
                token.end,
                "an event's name is written in capital letters",
                f"type `{meant}`",
            )
            self._spoil(token)
            return self._replace(token.end, meant, "EVENT") or True
        if machine.accepts("ACTION"):
            written = re.match(r"[A-Za-z_]\w*(?:\.\w+)*", self._text(token))
            if written is None or (len(token.kinds) > 1 and "." not in written[0]):
                return False
            parts = written[0].split(".")
            handler = "".join(p[:1].upper() + p[1:] for p in parts[0].split("_"))
            meant = f"{handler}.{_snake(parts[-1])}" if len(parts) > 1 else f"Handler.{_snake(parts[0])}"
            self._report(
                WRONG_FORM,
                token.start,
                token.start + len(written[0]),
                "an action is written as handler and method",
                f"type `{meant}`",
            )
            self._spoil(token)
            return self._replace(token.start + len(written[0]), meant, "ACTION") or True
        return False

    def _heads_loop(self) -> bool:
        values = self.machine.values
        return bool(values) and isinstance(values[-1], Token) and values[-1].kinds[0] == "_LOOP"

    def _foreign_word(self, token: Token) -> bool:
        machine = self.machine
        if token.kinds[-1] not in {"NAME", "BAD_WORD", "EVENT"}:
            return False
        word = token.text.lower()
        before = self._before()
        capital = token.text != word and word in grammar().words
        if capital and any(machine.accepts(kind) for kind in grammar().words[word]):
            self._report(
                FOREIGN, token.start, token.end, "the words of the language are small", f"type `{word}`"
            )
            return (
                self._replace(token.end, word, next(k for k in grammar().words[word] if machine.accepts(k)))
                or True
            )
        if word == "event" and before is not None and before.text in {"on", "or", "then"}:
            self._report(
                FOREIGN, token.start, token.end, "an event stands without the word `event`", "remove it"
            )
            machine.at += 1
            return True
        effect = token.kinds[0] in {"_DO", "_EMIT", "_SET"}
        if before is not None and before.text == "then" and effect and machine.unshift():
            return self._foreign_word(before)
        meant = self._meant(word)
        if meant:
            if meant == "do":
                self._join_action(machine.at + 1)
            self._report(
                FOREIGN, token.start, token.end, f"`{token.text}` is called `{meant}` here", f"type `{meant}`"
            )
            return self._replace(token.end, meant) or True
        advice = self._advice(word)
        if advice:
            self._report(FOREIGN, token.start, token.end, f"there is no `{token.text}` here", advice)
            if word == "then":
                machine.at += 1
                return True
            self.stuck = True
            return True
        return False

    def _meant(self, word: str) -> str | None:
        """The word of the language for one of another, where it fits."""
        machine = self.machine
        following = self._next().kinds
        for table in (slips.CLAUSES, slips.DECLARATIONS, slips.STEPS, slips.OPERATORS):
            meant = table.get(word)
            if meant == "do" and following == ("EVENT",) and self._next_is_dotted():
                following = ("ACTION",)
            if meant and any(machine.accepts(kind_of(meant), kind) for kind in following):
                return meant
        return None

    def _next_is_dotted(self) -> bool:
        return self.machine.source.text[self._next().end : self._next().end + 1] == "."

    def _join_action(self, index: int) -> None:
        """`H.a` behind what turned out to be a `do` is one name, which the lexer could not know."""
        tokens = self.machine.tokens
        found = _ACTION_NAME.match(self.machine.source.text, tokens[index].start)
        if found is not None and tokens[index].kinds == ("EVENT",):
            tokens[index : index + 3] = [Token(("ACTION",), found[0], found.start(), found.end())]

    def _advice(self, word: str) -> str | None:
        machine = self.machine
        if machine.accepts("COMPARE") or word in {"then", "else"}:
            advice = slips.OPERATOR_ADVICE.get(word)
            if advice:
                return advice
        begins = any(machine.accepts(kind) for kind in ("_DO", "_ON", "_LOOP"))
        if begins and machine.first_on_line(machine.at):
            return slips.CLAUSE_ADVICE.get(word)
        return None


def _snake(text: str) -> str:
    """`ModelPromoted` as `model_promoted`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
