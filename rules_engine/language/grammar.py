"""The grammar as tables: what the parser's loop and the lexer look things up in.

`grammar/loops.lark` is the only description of the language. Lark turns it into an LALR(1) table;
what is kept of that here are plain lists and dicts, so that one tight loop can drive them and
recovery can look into them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from rules_engine.shipped import shipped

#: The start rules of the grammar: a file, an expression alone, and what no rule may use.
STARTS = ("start", "expression", "stray")
#: The rules by which one expression comes to stand inside another.
_DEEPENING = frozenset(
    {
        *("disjunction", "conjunction", "unary", "binary", "not_in", "matches", "is_known"),
        *("group", "list", "of_event", "knob_at", "call", "match"),
    }
)


@dataclass(frozen=True, slots=True)
class Production:
    """One rule of the grammar, as the parser applies it.

    `name` is what the tree builder calls it, `origin` the symbol it makes. `picks` says which of
    its `size` parts go into the tree: `(index, splice)`, the index -1 for a place left empty.
    `passes` means that a single part stands for the whole, `gathers` that it only collects,
    `deepens` that expressions get one level deeper by it. `unit` marks those that only rename
    their one part: most, since each level of precedence is one.
    """

    name: str
    origin: str
    size: int
    picks: tuple[tuple[int, bool], ...]
    passes: bool
    gathers: bool
    deepens: bool
    unit: bool


#: What to do on a symbol: a state to go to, or a production to apply.
Action = int | Production


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal and the regular expression that finds it."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """The tables of the whole language.

    `rows[state][symbol]` is the action. `words` maps each word of the language to its terminals,
    `terminals` lists all others in the order to try them, `ignored` matches what stands between.
    """

    rows: tuple[dict[str, Action], ...]
    entry: dict[str, int]
    goal: dict[str, int]
    words: dict[str, tuple[str, ...]]
    terminals: tuple[Terminal, ...]
    ignored: str


@cache
def grammar() -> Grammar:
    """The tables, read at first use.

    They lie beside the grammar, made by `dumps`; a grammar edited since then is built anew, which
    takes a few hundred milliseconds instead of ten.
    """
    text = shipped("grammar/loops.lark").read_text(encoding="utf-8")
    made = shipped("grammar/tables.json")
    return (made.exists() and loads(made.read_text(encoding="utf-8"), text)) or build(text)


def dumps(made: Grammar, text: str) -> str:
    """The tables as JSON, with a digest of the grammar they were built from."""
    symbols = sorted({symbol for row in made.rows for symbol in row})
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    productions = list(
        dict.fromkeys(a for row in made.rows for a in row.values() if isinstance(a, Production))
    )
    places = {production: -1 - place for place, production in enumerate(productions)}
    document = {
        "digest": _digest(text),
        "symbols": symbols,
        "productions": [
            [p.name, p.origin, p.size, [[i, int(splice)] for i, splice in p.picks], int(p.passes)]
            for p in productions
        ],
        "rows": [
            [
                number
                for symbol, a in row.items()
                for number in (numbers[symbol], places[a] if isinstance(a, Production) else a)
            ]
            for row in made.rows
        ],
        "entry": made.entry,
        "goal": made.goal,
        "words": {word: list(names) for word, names in made.words.items()},
        "terminals": [[t.name, t.pattern] for t in made.terminals],
        "ignored": made.ignored,
    }
    parts = [
        f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in document.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def loads(made: str, text: str) -> Grammar | None:
    """The tables that `dumps` wrote; None when they belong to another text of the grammar."""
    document = json.loads(made)
    if document["digest"] != _digest(text):
        return None
    symbols: list[str] = document["symbols"]
    actions: dict[int, Action] = {
        -1 - place: _make(name, origin, size, tuple((i, bool(s)) for i, s in picks), passes=bool(passes))
        for place, (name, origin, size, picks, passes) in enumerate(document["productions"])
    }
    return Grammar(
        rows=tuple(
            {
                symbols[row[i]]: (action if (action := row[i + 1]) >= 0 else actions[action])
                for i in range(0, len(row), 2)
            }
            for row in document["rows"]
        ),
        entry=document["entry"],
        goal=document["goal"],
        words={word: tuple(names) for word, names in document["words"].items()},
        terminals=tuple(Terminal(name, pattern) for name, pattern in document["terminals"]),
        ignored=document["ignored"],
    )


def _digest(text: str) -> str:
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()


def build(text: str) -> Grammar:
    """Makes the tables from a grammar in Lark's notation."""
    from lark import Lark  # noqa: PLC0415  (costs more than reading the tables: only when needed)
    from lark.parsers.lalr_analysis import Shift  # noqa: PLC0415

    made = Lark(text, parser="lalr", start=list(STARTS), maybe_placeholders=True)
    table = made.parser.parser._parse_table
    numbers = _numbered(table)
    productions = {rule: _production(rule) for rule in made.rules}
    rows: list[dict[str, Action]] = [
        {
            str(symbol): numbers[target] if kind is Shift else productions[target]
            for symbol, (kind, target) in sorted(row.items())
        }
        for row in (table.states[state] for state in numbers)
    ]
    words: dict[str, tuple[str, ...]] = {}
    others = []
    ignored = []
    for terminal in made.terminals:
        pattern = terminal.pattern.to_regexp()
        word = pattern.removesuffix(r"\b")
        if terminal.name in made.ignore_tokens:
            ignored.append(pattern)
        elif word != pattern and word.isalpha():
            words[word] = (*words.get(word, ()), str(terminal.name))
        else:
            longest = min(terminal.pattern.max_width, 100)
            others.append((-terminal.priority, -longest, str(terminal.name), pattern))
    return Grammar(
        rows=tuple(rows),
        entry={str(start): numbers[state] for start, state in table.start_states.items()},
        goal={str(start): numbers[state] for start, state in table.end_states.items()},
        words=words,
        terminals=tuple(Terminal(name, pattern) for _, _, name, pattern in sorted(others)),
        ignored="(?:" + "|".join(sorted(ignored)) + ")+",
    )


def _numbered(table: Any) -> dict[Any, int]:
    """A number for each state, in the order a walk from the entries meets them: Lark's own order
    varies from run to run, and the tables are kept under version control."""
    from lark.parsers.lalr_analysis import Shift  # noqa: PLC0415

    met = dict.fromkeys(state for _, state in sorted(table.start_states.items()))
    waiting = list(met)
    for state in waiting:
        for _, (kind, target) in sorted(table.states[state].items()):
            if kind is Shift and target not in met:
                met[target] = None
                waiting.append(target)
    return {state: number for number, state in enumerate(met)}


def _production(rule: object) -> Production:
    """What applying a rule means, by Lark's conventions on names, brackets and `?`."""
    origin = str(rule.origin.name)  # type: ignore[attr-defined]
    expansion = rule.expansion  # type: ignore[attr-defined]
    options = rule.options  # type: ignore[attr-defined]
    alias: str | None = rule.alias  # type: ignore[attr-defined]
    flags = "".join("1" if empty else "0" for empty in options.empty_indices or ())
    gaps = [len(ones) for ones in flags.split("0")] if flags else [0] * (len(expansion) + 1)
    picks: list[tuple[int, bool]] = [(-1, False)] * gaps[0]
    for index, symbol in enumerate(expansion):
        if not (symbol.is_term and symbol.filter_out):
            picks.append((index, not symbol.is_term and symbol.name.startswith("_")))
        picks += [(-1, False)] * gaps[index + 1]
    return _make(
        str(alias or origin), origin, len(expansion), tuple(picks), passes=bool(options.expand1) and not alias
    )


def _make(
    name: str, origin: str, size: int, picks: tuple[tuple[int, bool], ...], *, passes: bool
) -> Production:
    return Production(
        name=name,
        origin=origin,
        size=size,
        picks=picks,
        passes=passes,
        gathers=origin.startswith("_"),
        deepens=name in _DEEPENING,
        unit=passes and picks == ((0, False),),
    )
