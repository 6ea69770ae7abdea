"""How the parser speaks of what it met and what it waited for, in a user's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from rules_engine.language.grammar import grammar
from rules_engine.language.lexer import END, Token, tokenize

#: What each terminal is to a user; those left out go without saying beside another.
_PHRASES = {
    "NAME": "a name",
    "EVENT": "an event such as `MODEL_PROMOTED`",
    "ACTION": "an action such as `Handler.method`",
    "NUMBER": "a number",
    "STRING": "a text in quotes",
    "DURATION": "a time such as `10m`",
    "COMPARE": "a comparison",
}
_UNSAID = {"GLOB", "BOOL", "SETOP", "PLUS", "MINUS", "STAR", "SLASH", "FALLBACK", END}

#: The usual form of each declaration, clause and step.
FORMS = {
    "type": '`type name = "one" | "other"`',
    "event": "`event NAME { field: type, other: type? }`",
    "action": "`action Handler.method(parameter: type)`",
    "knob": "`knob name per field in 0..1 = 0.5`",
    "let": "`let name = value`",
    "loop": "`loop name`, then its clauses",
    "test": '`test "what it shows" { at 0m send EVENT { field: value } }`',
    "on": "`on EVENT`, `on A or B`, `on A then B within 6h`, `on no A within 5m` or `on every 5m`",
    "cron": '`on cron "0 3 * * *"`, then perhaps `in "Europe/Berlin"`',
    "per": "`per field`",
    "with": "`with name = value`",
    "when": "`when condition`, then perhaps `for 10m` and `until condition`",
    "cooldown": "`cooldown 15m`, then perhaps `unless condition`",
    "limit": "`limit 3 per 1h`",
    "gather": "`gather 5s`, `gather quiet 5s`, then perhaps `max 100`",
    "set": "`set knob = value`, then perhaps `for 1h` or `while active`, and `if condition`",
    "emit": "`emit EVENT { field: value }`, then perhaps `if condition`",
    "do": "`do Handler.method(value)`, then perhaps `retry 3 every 30s`, `timeout 1m` and `if condition`",
    "after": "`after 2h { ... }` around effects",
    "cleared": "`cleared { ... }` around effects",
    "failed": "`failed { ... }` around effects",
    "at": "`at 5m`, then what happens",
    "send": "`send EVENT { field: value }`",
    "given": '`given knob["key"] = value`',
    "expect": "`expect set`, `expect emit`, `expect do` or `expect nothing`",
    "stub": "`stub Handler.method fails`, then perhaps `2 times`",
    "reload": '`reload "other.loop"`',
}


@cache
def kind_of(text: str) -> str:
    """The terminal of a sign or word of the language."""
    return tokenize(text)[0].kinds[0]


@cache
def _texts() -> dict[str, str]:
    """Signs and words by their terminal."""
    tables = grammar()
    texts = {name: word for word, names in tables.words.items() for name in names}
    for terminal in tables.terminals:
        plain = re.sub(r"\\(.)", r"\1", terminal.pattern)
        if re.escape(plain) == terminal.pattern:
            texts[terminal.name] = plain
    return texts


def text_of_kind(kind: str) -> str | None:
    """The sign or word a terminal stands for; None for one that stands for many."""
    return _texts().get(kind)


def quoted(token: Token) -> str:
    """A token for a message: shortened, or the end of the file."""
    if token.kinds[0] == END:
        return "the end of the file"
    text = token.text.split("\n", 1)[0]
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


def phrases(kinds: Iterable[str]) -> list[str]:
    """What could stand at a place, the open-ended first, each said once."""
    said = set(kinds) - _UNSAID
    if "COLON" in said and "NAME" not in said:
        said -= {"VBAR"}  # another spelling of the field is not what anybody forgot
    if "DURATION" in said and "NUMBER" not in said:
        said.discard("NAME")  # a time, or the name of one
    found = [phrase for kind, phrase in _PHRASES.items() if kind in said]
    texts = (text_of_kind(kind) for kind in said if kind not in _PHRASES)
    return found + [f"`{text}`" for text in sorted(text for text in texts if text)]


def joined(words: Sequence[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
