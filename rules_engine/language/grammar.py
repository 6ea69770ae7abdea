"""The grammar as tables: what the parser's loop and the lexer look things up in.

`grammar/loops.lark` is the only description of the language. Lark turns it into an LALR(1) table;
what is kept of that here are plain lists and dicts, so that one tight loop can drive them and
recovery can look into them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rules_engine.shipped import shipped

#: The start rules of the grammar: a file, an expression alone, and what no rule may use.
STARTS = ("start", "expression", "stray")
#: The rules by which one expression comes to stand inside another.
_DEEPENING = frozenset(
    "disjunction conjunction unary binary not_in matches is_known group list of_event knob_at call match".split()
)


@dataclass(frozen=True, slots=True)
class Production:
    """One rule of the grammar, as the parser applies it.

    `name` is what the tree builder calls it, `origin` the symbol it makes. `picks` says which of
    its `size` parts go into the tree: `(index, splice)`, the index -1 for a place left empty.
    `passes` means that a single part stands for the whole, `gathers` that it only collects,
    `deepens` that expressions get one level deeper by it.
    """

    name: str
    origin: str
    size: int
    picks: tuple[tuple[int, bool], ...]
    passes: bool
    gathers: bool
    deepens: bool


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
    """The tables, built at first use."""
    return build(shipped("grammar/loops.lark").read_text(encoding="utf-8"))


def build(text: str) -> Grammar:
    """Makes the tables from a grammar in Lark's notation."""
    from lark import Lark  # noqa: PLC0415  (a third of the start-up time: only when needed)
    from lark.parsers.lalr_analysis import Shift  # noqa: PLC0415

    made = Lark(text, parser="lalr", start=list(STARTS), maybe_placeholders=True)
    table = made.parser.parser._parse_table  # type: ignore[attr-defined]  # noqa: SLF001
    numbers = {state: number for number, state in enumerate(table.states)}
    productions = {rule: _production(rule) for rule in made.rules}
    rows: list[dict[str, Action]] = [
        {
            symbol: numbers[target] if kind is Shift else productions[target]
            for symbol, (kind, target) in row.items()
        }
        for row in table.states.values()
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
            words[word] = (*words.get(word, ()), terminal.name)
        else:
            longest = min(terminal.pattern.max_width, 100)
            others.append((-terminal.priority, -longest, terminal.name, pattern))
    return Grammar(
        rows=tuple(rows),
        entry={start: numbers[state] for start, state in table.start_states.items()},
        goal={start: numbers[state] for start, state in table.end_states.items()},
        words=words,
        terminals=tuple(Terminal(name, pattern) for _, _, name, pattern in sorted(others)),
        ignored="(?:" + "|".join(sorted(ignored)) + ")+",
    )


def _production(rule: object) -> Production:
    """What applying a rule means, by Lark's conventions on names, brackets and `?`."""
    origin: str = rule.origin.name  # type: ignore[attr-defined]
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
    return Production(
        name=alias or origin,
        origin=origin,
        size=len(expansion),
        picks=tuple(picks),
        passes=bool(options.expand1) and not alias,
        gathers=origin.startswith("_"),
        deepens=(alias or origin) in _DEEPENING,
    )
