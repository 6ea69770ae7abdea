"""Words that are misspelled or known nowhere, and whatever else does not fit."""

from __future__ import annotations

from rules_engine.language.lexer import Token
from rules_engine.language.machine import CLAUSE_WORDS, DECLARATION_WORDS, STEP_WORDS, structure_words
from rules_engine.language.recovery.codes import MISSING, UNEXPECTED, UNKNOWN_WORD
from rules_engine.language.recovery.place import Place
from rules_engine.language.recovery.wording import joined, phrases, quoted, text_of_kind
from rules_engine.language.spelling import nearest

_MISSPELLABLE = {("NAME",), ("EVENT",), ("BAD_WORD",)}
_LOOP_HELP = f"the clauses of a loop begin with {joined([f'`{w}`' for w in CLAUSE_WORDS])}"
_FILE_HELP = f"a declaration begins with {joined([f'`{w}`' for w in DECLARATION_WORDS])}"
_STEP_HELP = (
    "the steps of a test are `at 5m` and then `send`, `given`, `expect`, `stub`, `restart` or `reload`"
)


class Unfit:
    """The last resort: the nearest word, or the plain statement that something has no place here."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.machine = place.machine

    def misspelled(self, token: Token) -> bool:
        """A word a slip or two away from one that fits: it is read as that."""
        if token.kinds not in _MISSPELLABLE or len(token.text) > 40:
            return False
        place, machine = self.place, self.machine
        words = {text: kind for kind in place.accepted() if (text := text_of_kind(kind)) and text.isalpha()}
        first = place.first_on_line()
        if first and len(token.text) < 4:  # too short to be anything but the beginning of a clause
            words = {text: kind for text, kind in words.items() if kind in structure_words()}
        meant = nearest(token.text, words)
        if meant is None:
            return False
        fits = any(machine.accepts(words[meant], kind) for kind in place.next.kinds)
        begins = first and words[meant] in structure_words()
        if not (begins or fits):
            return False
        if words[meant] in structure_words():
            what = (
                "declaration" if meant in DECLARATION_WORDS else "step" if meant in STEP_WORDS else "clause"
            )
            code, message = UNKNOWN_WORD, f"there is no {what} `{token.text}`"
        else:
            code, message = UNEXPECTED, f"{quoted(token)} has no place here"
        place.report(code, token, message, help=f"did you mean `{meant}`?")
        machine.tokens[machine.at] = Token((words[meant],), meant, token.start, token.end)
        return True

    def unknown_word(self, token: Token) -> bool:
        """A line that begins with no word of the language, or with one of another place."""
        place, machine = self.place, self.machine
        if not place.first_on_line() or token.kinds[-1] not in {"NAME", "BAD_WORD", "EVENT"}:
            return False
        brackets = place.open_brackets()
        if (brackets and not place.is_block(brackets[-1][0])) or not place.complete():
            return False
        what, advice = self._what_begins_here()
        code = UNKNOWN_WORD
        if token.kinds[0] not in structure_words():
            message = f"no {what} begins with {quoted(token)}"
        elif machine.accepts("_DO") and token.text in CLAUSE_WORDS:
            message, advice = (
                f"`{token.text}` stands in a block of effects",
                "only `set`, `emit` and `do` do",
            )
        elif what == "step" and token.text in STEP_WORDS:
            code, message = MISSING, f"`at` with a time is missing before `{token.text}`"
            advice = f"type when it happens, as in `at 0m {token.text}`"
        else:
            home = "a test" if token.text in STEP_WORDS else "a loop"
            message = f"`{token.text}` stands outside of {home}"
            advice = _FILE_HELP if what == "declaration" else advice
        place.report(code, token, message, help=advice)
        machine.at += 1
        return place.skip(spoil=False)

    def anything(self, token: Token) -> bool:
        """What nobody can make sense of."""
        place = self.place
        waited = phrases(place.accepted())
        complete = place.complete()
        if place.wants_expression():
            message, advice = f"{quoted(token)} stands where an expression belongs", place.form()
        elif place.before is None or complete or len(waited) > 5 or not waited:
            message = f"{quoted(token)} has no place here"
            fresh = complete and place.first_on_line()
            advice = (not fresh and place.form()) or self._what_begins_here()[1]
        else:
            message, advice = f"{quoted(token)} stands where {joined(waited)} belongs", place.form()
        place.report(UNEXPECTED, token, message, help=advice)
        return place.skip()

    def _what_begins_here(self) -> tuple[str, str]:
        """What a line can begin here, and all words that do."""
        machine = self.machine
        if machine.accepts("_WHEN") or machine.accepts("_DO"):
            return "clause", _LOOP_HELP
        if machine.accepts("_AT"):
            return "step", _STEP_HELP
        return "declaration", _FILE_HELP
