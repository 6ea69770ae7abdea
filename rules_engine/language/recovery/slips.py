"""What people type who come from other languages, and what it is called here.

Plain tables. `recovery.py` decides by the parser's state whether an entry applies.
"""

from __future__ import annotations

#: Signs, and what to type instead; an empty text means that the sign is simply too much.
SIGNS: dict[str, tuple[str, str]] = {
    "===": ("==", "two signs compare here"),
    "!==": ("!=", "two signs compare here"),
    "&&": ("and", "conditions are joined with words"),
    "||": ("or", "conditions are joined with words"),
    ":=": ("=", "there is one sign that sets"),
    "=>": (">=", "the comparison comes first"),
    "=<": ("<=", "the comparison comes first"),
    "<>": ("!=", "unequal has a sign of its own"),
    "&": ("and", "conditions are joined with words"),
    "!": ("not", "a condition is negated with a word"),
    "~=": ("matches", "a pattern is matched with a word"),
    "=~": ("matches", "a pattern is matched with a word"),
    "≠": ("!=", "signs are plain ones"),
    "≤": ("<=", "signs are plain ones"),
    "≥": (">=", "signs are plain ones"),
    "×": ("*", "signs are plain ones"),  # noqa: RUF001
    "÷": ("/", "signs are plain ones"),
    "−": ("-", "signs are plain ones"),  # noqa: RUF001
    "–": ("-", "signs are plain ones"),  # noqa: RUF001
    "—": ("-", "signs are plain ones"),
    ";": ("", "nothing stands between clauses"),
}

#: Signs that no single other one replaces: how to write it.
SIGN_ADVICE: dict[str, str] = {
    "**": "type `pow(a, b)`",
    "^": "type `pow(a, b)`",
    "%": "type `mod(a, b)` for a remainder; `25%` is a percentage",
    "++": "type `+= 1`",
    "--": "type `-= 1`",
    "/=": "type `*= 0.5` to halve it",
    "?": "choose a value with `match { condition: value, else: value }`",
    "->": "effects follow as clauses of their own",
    "|": "type `or` between conditions",
}

#: What stands for one of some signs and words of the language, wherever that would fit and it does not.
JOINTS: dict[str, tuple[str, ...]] = {
    ";": (",",),
    ",": ("or", "|", ".."),
    "|": ("or", ","),
    "&": (",",),
    "and": ("or", ","),
    "or": ("|", ","),
    "->": (":", "then"),
    "=>": (":", "then"),
    "-": ("..",),
    "–": ("..",),  # noqa: RUF001
    "...": ("..",),
    "to": ("..", "="),
    "/": ("per",),
    "in": ("within", "per"),
    "each": ("per",),
    "a": ("per",),
    "every": ("per",),
    "for": ("within",),
    "during": ("within",),
    "default": ("=",),
    "followed": ("then",),
    "before": ("then",),
}

#: Comparisons in words, behind `is`.
COMPARED: dict[str, str] = {
    **dict.fromkeys(("equal", "equals", "same"), "=="),
    **dict.fromkeys(("greater", "more", "above", "over", "higher", "larger"), ">"),
    **dict.fromkeys(("less", "below", "under", "lower", "smaller"), "<"),
}

#: What else is said of a value that is there, or not, behind `is`.
STATES: dict[str, str] = {
    **dict.fromkeys(("present", "defined", "given"), "known"),
    **dict.fromkeys(("absent", "missing", "undefined", "empty"), "unknown"),
}

#: Words that other languages put in front of something that needs none here.
PREFIXES: dict[str, str] = {
    "case": "remove it: the arms of a `match` begin with a value or a condition",
    **dict.fromkeys(("f", "r", "b"), "remove it: a text in an effect fills in `{name}` by itself"),
    "optional": "remove it, and type `?` behind the type",
    "new": "remove it",
}

#: Where a declaration begins.
DECLARATIONS: dict[str, str] = {
    **dict.fromkeys(("rule", "rules", "policy", "alert", "handler", "workflow", "automation"), "loop"),
    **dict.fromkeys(("const", "constant", "var", "val", "define"), "let"),
    **dict.fromkeys(("enum", "typedef"), "type"),
    **dict.fromkeys(("actuator", "setting", "parameter"), "knob"),
    **dict.fromkeys(("signal", "message", "topic"), "event"),
    **dict.fromkeys(("command", "function", "fn", "def", "func"), "action"),
    **dict.fromkeys(("scenario", "spec"), "test"),
}

#: Where a clause of a loop begins.
CLAUSES: dict[str, str] = {
    **dict.fromkeys(("if", "where", "condition", "having", "filter"), "when"),
    **dict.fromkeys(("trigger", "listen", "subscribe", "upon"), "on"),
    **dict.fromkeys(("by", "partition", "group", "foreach"), "per"),
    **dict.fromkeys(("debounce", "settle", "collect", "batch"), "gather"),
    **dict.fromkeys(("throttle", "silence", "pause"), "cooldown"),
    **dict.fromkeys(("ratelimit", "rate_limit"), "limit"),
    **dict.fromkeys(("var", "local", "where_let"), "with"),
    **dict.fromkeys(("call", "run", "invoke", "execute", "perform"), "do"),
    **dict.fromkeys(("publish", "raise", "fire", "send", "dispatch"), "emit"),
    **dict.fromkeys(("assign", "update", "adjust"), "set"),
    **dict.fromkeys(("on_failure", "catch", "except", "rescue"), "failed"),
}

#: Steps of a test.
STEPS: dict[str, str] = {
    **dict.fromkeys(("emit", "publish", "fire", "raise"), "send"),
    **dict.fromkeys(("assert", "verify", "check", "should"), "expect"),
    **dict.fromkeys(("assume", "suppose"), "given"),
    **dict.fromkeys(("mock", "fake"), "stub"),
}

#: Clauses of other languages that this one says in another way.
CLAUSE_ADVICE: dict[str, str] = {
    **dict.fromkeys(
        ("else", "elif", "elsif", "otherwise"),
        "choose a value with `match { cond: value, else: value }`, or write a second loop",
    ),
    **dict.fromkeys(("while",), "give the condition with `when`"),
    **dict.fromkeys(("until",), "type `until` behind the condition of `when`"),
    **dict.fromkeys(("for",), "type `for 10m` behind the condition of `when`"),
    **dict.fromkeys(("unless",), "type `unless` behind `cooldown`, or `when not ...`"),
    **dict.fromkeys(("retry", "timeout"), "it belongs behind a `do`, before its `if`"),
    **dict.fromkeys(("wait", "delay", "sleep"), "type `after 10m { ... }` in a loop with `until`"),
    **dict.fromkeys(("priority", "salience"), "loops have no order: all see the state before the event"),
    **dict.fromkeys(
        ("return", "end", "begin", "done", "fi"), "a loop ends where the next declaration begins"
    ),
    **dict.fromkeys(("import", "include", "use"), "all files of the given paths form one rule set"),
}

#: Between two operands.
OPERATORS: dict[str, str] = {
    **dict.fromkeys(("like", "glob", "matching"), "matches"),
    **dict.fromkeys(("equals", "eq"), "=="),
    **dict.fromkeys(("gt",), ">"),
    **dict.fromkeys(("lt",), "<"),
    **dict.fromkeys(("ge", "gte"), ">="),
    **dict.fromkeys(("le", "lte"), "<="),
    **dict.fromkeys(("ne", "neq"), "!="),
    "be": "=",
}

OPERATOR_ADVICE: dict[str, str] = {
    "between": "type `x >= low and x <= high`",
    "mod": "type `mod(a, b)`",
    "div": "type `floor(a / b)`",
    "xor": "type `a != b`",
    "contains": 'type `x matches "*part*"`, or `x in ["a", "b"]`',
    "startswith": 'type `x matches "start*"`',
    "endswith": 'type `x matches "*end"`',
    "then": "effects follow as clauses of their own, without a word before them",
    "else": "choose a value with `match { condition: value, else: value }`",
    "exists": "type `is known`",
    "contain": 'type `x matches "*part*"`',
}

#: Units of time behind a number.
UNITS: dict[str, str] = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds", "millis"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "w"),
}

UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

#: Quotes that are none.
QUOTES = "“”„‟«»‘’'`"  # noqa: RUF001


def written_duration(ms: int) -> str:
    """`5400000` as `1h30m`."""
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        amount, ms = divmod(ms, UNIT_MS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
