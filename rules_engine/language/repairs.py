"""Known slips: said in one finding, then read as what was meant, so that nothing follows from them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from rules_engine.language import slips
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.expression_tree import FOREIGN, OUT_OF_BOUNDS
from rules_engine.language.grammar import grammar
from rules_engine.language.lexer import END, Token
from rules_engine.language.machine import Machine
from rules_engine.language.wording import kind_of, quoted

WRONG_CASE = Code(
    "RE010", "wrong-name-form", Severity.ERROR, "A name is not written in the form its kind of name has."
)

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)")
_ACTION_NAME = re.compile(r"[A-Z][A-Za-z0-9]*\.[a-z_][a-z0-9_]*\b")
_HYPHENATED = re.compile(r"[A-Za-z_]\w*(?:-\w+)+")
_BARE_TEXT = re.compile(r"[\w*?.:/-]+")
_NO_VALUE = frozenset({"None", "NULL", "null", "nil", "none", "undefined"})
_BOOLS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false", "yes": "true", "no": "false"}


@cache
def _follow() -> dict[str, frozenset[str]]:
    """For each word of the language, the terminals that can stand behind it."""
    tables = grammar()
    words = {name for names in tables.words.values() for name in names}
    found: dict[str, set[str]] = {}
    for row in tables.rows:
        for symbol, action in row.items():
            if symbol in words and isinstance(action, int):
                shifts = (k for k, a in tables.rows[action].items() if k.isupper() and isinstance(a, int))
                found.setdefault(symbol, set()).update(shifts)
    return {symbol: frozenset(kinds) - {END} for symbol, kinds in found.items()}


class Repairs:
    """Tries the known slips at the place where a parse stands."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._marked_lines: set[int] = set()
        self._needless: set[int] = set()  # offsets of brackets whose other half was reported
        self.stuck = False  # reported, and nothing to mend: go on at the next clause

    def follow(self, kind: str) -> frozenset[str]:
        """The terminals that can stand behind a word."""
        return _follow().get(kind, frozenset())

    def attempt(self, token: Token) -> bool:
        """Whether a known slip was found; then it is reported and mended."""
        attempts = (
            self._needless_bracket,
            self._invisible,
            self._quotes,
            self._comment,
            self._sign,
            self._equals,
            self._colon,
            self._time,
            self._number,
            self._loop_braces,
            self._payload_brackets,
            self._quoted_name,
            self._no_value,
            self._hyphen,
            self._name_form,
            self._foreign_word,
        )
        self.stuck = False
        return any(attempt(token) for attempt in attempts)

    # ---- tools -----------------------------------------------------------------------------------

    def _report(self, code: Code, start: int, end: int, message: str, help: str) -> None:
        self.machine.findings.append(code.at(self.machine.builder.span(start, end), message, help=help))

    def _replace(self, end: int, text: str, kind: str | None = None, start: int | None = None) -> bool:
        """Reads all tokens up to an offset as one; False when even that does not fit."""
        machine = self.machine
        first = machine.tokens[machine.at]
        kind = kind or kind_of(text)
        last = machine.at
        while machine.tokens[last].kinds[0] != END and machine.tokens[last].start < end:
            last += 1
        machine.at = last - 1
        machine.tokens[last - 1] = Token((kind,), text, first.start if start is None else start, end)
        return machine.accepts(kind)

    def _drop(self, end: int) -> None:
        """Reads on behind an offset."""
        machine = self.machine
        while machine.tokens[machine.at].kinds[0] != END and machine.tokens[machine.at].start < end:
            machine.at += 1

    def _text(self, token: Token) -> str:
        """The text from a token to the end of its line."""
        text = self.machine.source.text
        end = text.find("\n", token.start, token.start + 1000)
        return text[token.start : end if end >= 0 else token.start + 1000]

    def _spoil(self, token: Token) -> None:
        self.machine.builder.spoiled.append(token.start)

    def _before(self) -> Token | None:
        return self.machine.tokens[self.machine.at - 1] if self.machine.at else None

    # ---- characters ------------------------------------------------------------------------------

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
                if sign == "--" or not self.machine.unshift():
                    continue
                token = before
            elif not self._text(token).startswith(sign):
                continue
            elif sign == "--" and not self.machine.first_on_line(self.machine.at):
                continue
            end = token.start + len(self._text(token))
            if sign == "/*":
                closing = self.machine.source.text.find("*/", token.start)
                end = closing + 2 if closing >= 0 else len(self.machine.source.text)
            self._report(FOREIGN, token.start, token.start + 2, "a comment starts with `#`", "type `#`")
            self._drop(end)
            return True
        return False

    # ---- signs -----------------------------------------------------------------------------------

    def _sign(self, token: Token) -> bool:
        machine = self.machine
        before = self._before()
        if before is not None and before.end == token.start and len(before.text) <= 2:
            glued = before.text + token.text[:1]
            if glued in {*slips.SIGNS, *slips.SIGN_ADVICE} and glued not in {"!", "&"} and machine.values[-1:] == [before]:
                if machine.unshift():
                    token = before
        text = self._text(token)
        for length in (3, 2, 1):
            sign = text[:length]
            if len(sign) < length or token.start + length < token.end:
                continue
            if sign in slips.SIGN_ADVICE:
                if sign == "|" and not machine.accepts("_OR"):
                    continue
                self._report(
                    FOREIGN,
                    token.start,
                    token.start + length,
                    f"there is no sign `{sign}`",
                    slips.SIGN_ADVICE[sign],
                )
                self._drop(token.start + length)
                self._spoil(token)
                if machine.at:
                    machine.builder.spoiled.append(machine.tokens[machine.at - 1].start)
                if machine.accepts("PLUS") and sign in {"**", "^", "%"}:
                    machine.feed(Token(("PLUS",), "+", token.start, token.start))
                return True
            if sign not in slips.SIGNS:
                continue
            meant, why = slips.SIGNS[sign]
            kind = kind_of(meant) if meant else ""
            if meant and not machine.accepts(kind):
                continue
            self._report(
                FOREIGN,
                token.start,
                token.start + length,
                f"there is no sign `{sign}`: {why}",
                f"type `{meant}`" if meant else f"remove the `{sign}`",
            )
            if meant:
                self._replace(token.start + length, meant)
            else:
                self._drop(token.start + length)
            return True
        return False

    def _equals(self, token: Token) -> bool:
        machine = self.machine
        if token.text == "=" and machine.accepts("COLON") and not machine.accepts("EQ"):
            self._report(FOREIGN, token.start, token.end, "`=` stands where `:` belongs", "type `:`")
            return self._replace(token.end, ":") or True
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
        for meant in ("=", "in"):
            if machine.accepts(kind_of(meant)) and not machine.accepts("COMPARE"):
                self._report(
                    FOREIGN, token.start, token.end, f"`:` stands where `{meant}` belongs", f"type `{meant}`"
                )
                self._replace(token.end, meant)
                return True
        following = machine.tokens[machine.at + 1].kinds
        last_on_line = machine.first_on_line(machine.at + 1)
        if any(machine.accepts(kind) for kind in following) or last_on_line:
            self._report(FOREIGN, token.start, token.end, "no `:` stands here", "remove the `:`")
            machine.at += 1
            return True
        return False

    # ---- numbers and times -----------------------------------------------------------------------

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
        help = "a number is written `12`, `0.75` or `25%`, a time `10m`"
        try:
            value = float(plain) if len(plain) < 30 else None
        except ValueError:
            value = None
        if plain.isdigit():
            help = f"type `{quoted_plain(plain)}`"
        elif value is not None and abs(value) < 1e15:
            help = f"type `{int(value) if value.is_integer() else f'{value:f}'.rstrip('0')}`"
        self._report(OUT_OF_BOUNDS, token.start, token.end, f"{quoted(token)} is not a number", help)
        self._spoil(token)
        for kind, text in (("NUMBER", "1"), ("DURATION", "1s")):
            if machine.accepts(kind):
                self._replace(token.end, text, kind)
                return True
        machine.at += 1
        return True

    # ---- brackets --------------------------------------------------------------------------------

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

    # ---- names and words -------------------------------------------------------------------------

    def _quoted_name(self, token: Token) -> bool:
        machine = self.machine
        plain = token.text.strip('"')
        if token.kinds[0] == "STRING" and re.fullmatch(r"[a-z_][a-z0-9_]*", plain):
            if not machine.accepts("NAME") or machine.accepts("NUMBER"):
                return False
            self._report(
                WRONG_CASE, token.start, token.end, "a name stands without quotes", f"type `{plain}`"
            )
            return self._replace(token.end, plain, "NAME") or True
        bare = token.kinds[-1] in {"NAME", "BAD_WORD", "EVENT"} or token.kinds[0] in {"STAR", "ACTION"}
        if bare and machine.accepts("STRING") and not (machine.accepts("NAME") or machine.accepts("_WHEN")):
            if machine.begins_structure(machine.at):
                return False
            found = _BARE_TEXT.match(self._text(token))
            if found is None:
                return False
            end = token.start + max(len(found[0]), len(token.text))
            self._report(WRONG_CASE, token.start, end, "a text stands in quotes", f'type `"{found[0]}"`')
            self._spoil(token)
            return self._replace(end, f'"{found[0]}"', "STRING") or True
        return False

    def _no_value(self, token: Token) -> bool:
        """`None`, `is null`, `True`."""
        machine = self.machine
        if token.text in _NO_VALUE and machine.accepts("UNKNOWN"):
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
            if following.text in _NO_VALUE | {"known", "unknown"}:
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
        if token.text in _NO_VALUE:
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
            WRONG_CASE, before.start, found.end(), "a name has letters, digits and `_`", f"type `{meant}`"
        )
        return self._replace(found.end(), meant, "NAME") or True

    def _name_form(self, token: Token) -> bool:
        machine = self.machine
        kind = token.kinds[-1]
        if kind not in {"NAME", "BAD_WORD", "EVENT", "ACTION"} or machine.begins_structure(machine.at):
            return False
        if machine.accepts("NAME") and kind in {"BAD_WORD", "EVENT"} and token.text not in _NO_VALUE:
            meant = _snake(token.text)
            self._report(
                WRONG_CASE, token.start, token.end, "this name is written in small letters", f"type `{meant}`"
            )
            if not self._heads_loop():
                self._spoil(token)
            return self._replace(token.end, meant, "NAME") or True
        if machine.accepts("EVENT") and not machine.accepts("NAME") and kind in {"NAME", "BAD_WORD"}:
            if len(token.kinds) > 1 and not any(machine.accepts("EVENT", k) for k in self._next().kinds):
                return False
            meant = _snake(token.text).upper()
            self._report(
                WRONG_CASE,
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
                WRONG_CASE,
                token.start,
                token.start + len(written[0]),
                "an action is written as handler and method",
                f"type `{meant}`",
            )
            self._spoil(token)
            return self._replace(token.start + len(written[0]), meant, "ACTION") or True
        return False

    def _next(self) -> Token:
        return self.machine.tokens[self.machine.at + 1]

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
        if before is not None and before.text == "then" and token.kinds[0] in {"_DO", "_EMIT", "_SET"}:
            if machine.unshift():
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
        for table in (slips.CLAUSES, slips.DECLARATIONS, slips.OPERATORS):
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
        if machine.accepts("COMPARE") or word == "then":
            advice = slips.OPERATOR_ADVICE.get(word)
            if advice:
                return advice
        if machine.first_on_line(machine.at) and (machine.accepts("_DO") or machine.accepts("_ON")):
            return slips.CLAUSE_ADVICE.get(word)
        return None


def quoted_plain(text: str) -> str:
    """A piece of text short enough for a message."""
    return text if len(text) <= 40 else text[:37] + "..."


def _snake(text: str) -> str:
    """`ModelPromoted` as `model_promoted`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
