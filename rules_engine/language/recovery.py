"""What to make of a mistake: say what is wrong, in one finding, and go on behind it.

At a token that does not fit, the first of these that applies decides:

1. a known slip is named and mended (`repairs.py`), and reading goes on as if it were right;
2. a bracket or a text that was never closed is reported where it should end, with its opening;
3. what is missing is reported where it is missing;
4. a misspelled word is read as the nearest that fits;
5. everything else is reported as it stands.

Where nothing could be mended, all up to the next clause or declaration is skipped, and what was
begun is left out of the tree: a mistake costs one clause, and is never reported twice.
"""

from __future__ import annotations

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.lexer import END, Token
from rules_engine.language.machine import (
    CLAUSE_WORDS,
    DECLARATION_WORDS,
    MAX_DEPTH,
    OVER_LIMIT,
    STEP_WORDS,
    Machine,
    structure_words,
)
from rules_engine.language.repairer import followers
from rules_engine.language.repairs import Repairs
from rules_engine.language.resync import CLOSER, CLOSERS, Resync
from rules_engine.language.spelling import nearest
from rules_engine.language.wording import FORMS, joined, kind_of, phrases, quoted, text_of_kind

UNEXPECTED = Code(
    "RE001",
    "unexpected-text",
    Severity.ERROR,
    "A word or sign stands where the language has no place for it.",
)
MISSING = Code("RE002", "missing-part", Severity.ERROR, "Something that has to stand here is missing.")
UNCLOSED = Code("RE003", "unclosed", Severity.ERROR, "A bracket or a text is opened and never closed.")
UNKNOWN_WORD = Code(
    "RE004",
    "unknown-clause",
    Severity.ERROR,
    "A line begins with a word that begins neither a clause nor a declaration.",
)

_MISSPELLABLE = {("NAME",), ("EVENT",), ("BAD_WORD",)}
#: After so many the rest of a file is not read: something is wrong with it as a whole.
MAX_FINDINGS = 500

#: Signs and small words whose absence can be told from what follows.
_TELLING = (",", ":", "=", "in", "of", "per", "..", "(", "{", "every")
_LOOP_HELP = f"the clauses of a loop begin with {joined([f'`{w}`' for w in CLAUSE_WORDS])}"
_FILE_HELP = f"a declaration begins with {joined([f'`{w}`' for w in DECLARATION_WORDS])}"
_STEP_HELP = (
    "the steps of a test are `at 5m` and then `send`, `given`, `expect`, `stub`, `restart` or `reload`"
)


class Recovery(Resync):
    """Decides on each mistake of one parse."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.repairs = Repairs(machine)
        self._last = -1
        self._tries = 0

    def recover(self) -> bool:
        """Called at a token that does not fit; False when there is nothing left to read."""
        machine = self.machine
        self._tries = self._tries + 1 if machine.at == self._last else 0
        self._last = machine.at
        if len(machine.states) > machine.MAX_STACK:
            self._too_deep()
        elif len(machine.findings) >= MAX_FINDINGS:
            self._stop()
        elif self._tries > 3:
            self._force_on()
        else:
            self._decide()
        return not self._over

    def _decide(self) -> None:
        self._take_back_word()
        token = self.machine.tokens[self.machine.at]
        if self.repairs.attempt(token):
            if self.repairs.stuck:
                self.skip()
            return
        attempts = (
            self._unclosed_text,
            self._stray_closer,
            self._missing_expression,
            self._unclosed_bracket,
            self._misspelled,
            self._missing_piece,
            self._unknown_word,
        )
        if not any(attempt(token) for attempt in attempts):
            self._unexpected(token)

    def _force_on(self) -> None:
        """Whatever was tried did not help: never look at the same token for ever."""
        self._misspelled_at = -1
        if self.machine.tokens[self.machine.at].kinds[0] == END:
            self._over = True
        else:
            self.machine.at += 1
            self.skip()

    def _stop(self) -> None:
        """Leaves the rest of the file unread."""
        machine = self.machine
        rest = machine.tokens[machine.at]
        machine.broken.append(s.Broken(machine.builder.span(rest.start, machine.tokens[-1].end), "", None))
        machine.at = len(machine.tokens) - 1
        self.skip()

    # ---- looking around --------------------------------------------------------------------------

    def _report(
        self, code: Code, at: Token, message: str, *, help: str = "", related: Related | None = None
    ) -> None:
        span = self.machine.builder.span(at.start, max(at.end, at.start + 1))
        self.machine.findings.append(
            Diagnostic(code, span, message, help, related=(related,) if related else ())
        )

    def _related(self, token: Token, message: str) -> Related:
        return Related(self.machine.builder.of(token), message)

    def _accepted(self) -> list[str]:
        row = self.machine.tables.rows[self.machine.states[-1]]
        return [kind for kind in row if kind.isupper() and self.machine.accepts(kind)]

    def _ends_here(self, token: Token) -> bool:
        """Whether what was begun cannot go on with this token: the next clause or the end is here."""
        index = self.machine.at
        return token.kinds[0] == END or token.text in CLOSERS or self._starts_line_of_its_own(index)

    def _starts_line_of_its_own(self, index: int) -> bool:
        token = self.machine.tokens[index]
        if token.start == self._misspelled_at:
            return True
        return token.kinds[0] in structure_words() and self.machine.first_on_line(index)

    # ---- the attempts, in order ------------------------------------------------------------------

    def _take_back_word(self) -> None:
        """A clause word was read as the name of a field, and now the text makes no sense: take it back.

        In `when a > 3 or` and, on the next line, `do H.a()`, the mistake is the `or`, not the `H.a`.
        """
        machine = self.machine
        before = self._before
        if before is None or machine.values[-1:] != [before] or "NAME" not in before.kinds:
            return
        if machine.tables.rows[machine.states[-2]].get("NAME") != machine.states[-1]:
            return  # it was read as the word it is
        first = machine.first_on_line(machine.at - 1)
        now = machine.tokens[machine.at].kinds
        word = before.kinds[0]
        if word == "NAME":
            meant = nearest(before.text, CLAUSE_WORDS) if first and len(before.text) <= 40 else None
            if meant is None:
                return
            word = kind_of(meant)
            self._misspelled_at = before.start
        elif word in structure_words() and not first and now[0] not in {"ACTION", "EVENT"}:
            return
        follow = followers().get(word, frozenset())
        if any(kind in follow for kind in now) or (
            "DURATION" in follow and now[0] in {"NUMBER", "BAD_NUMBER"}
        ):
            machine.unshift()

    def _too_deep(self) -> bool:
        machine = self.machine
        self._report(
            OVER_LIMIT,
            machine.tokens[machine.at],
            f"this is nested more than {MAX_DEPTH} deep",
            help="give a part of it a name, with `with` in the loop or with `let`",
        )
        return self.skip(within=False)

    def _unclosed_text(self, token: Token) -> bool:
        if token.kinds[0] != "BAD_TEXT":
            return False
        opening = Token(token.kinds, '"', token.start, token.start + 1)
        self._report(
            UNCLOSED,
            opening,
            "this text is not closed",
            help='type a `"` where it ends; a text stands on one line, `\\n` is a line end within it',
        )
        return self.skip()

    def _stray_closer(self, token: Token) -> bool:
        if token.text not in CLOSERS:
            return False
        machine = self.machine
        brackets = self._open_brackets()
        if not brackets or (self._is_block(brackets[-1][0]) and token.text != "}"):
            self._report(
                UNEXPECTED, token, f"`{token.text}` closes nothing", help=f"remove the `{token.text}`"
            )
            machine.at += 1
            return True
        opening = brackets[-1][1]
        right = CLOSER[opening.text]
        if token.text == right:
            return False
        outer = any(CLOSER[bracket.text] == token.text for _, bracket in brackets[:-1])
        if machine.accepts(kind_of(right)):
            if outer and machine.accepts(kind_of(right), token.kinds[0]):
                return False  # merely one missing: the next attempt says so
            self._report(
                UNCLOSED,
                token,
                f"`{token.text}` closes what `{opening.text}` opened",
                help=f"type `{right}`",
                related=self._related(opening, "opened here"),
            )
            machine.builder.spoiled.append(opening.start)
            machine.tokens[machine.at] = Token((kind_of(right),), right, token.start, token.end)
            return True
        return False

    def _missing_expression(self, token: Token) -> bool:
        machine = self.machine
        before = self._before
        if before is None or not (machine.accepts("LPAR") and machine.accepts("NUMBER")):
            return False
        ends = self._ends_here(token)
        fits = any(machine.accepts("NAME", kind) for kind in token.kinds)
        if not (ends or fits):
            return False
        if before.text == "{" or (before.text in {"(", "[", ","} and not fits):
            return False
        self._report(
            MISSING,
            before,
            f"an expression is missing after `{before.text}`",
            help="complete it, or remove the " + f"`{before.text}`",
        )
        machine.builder.spoiled.append(before.start)
        machine.feed(Token(("NAME",), "missing", before.end, before.end))
        return True if fits else self.skip()

    def _unclosed_bracket(self, token: Token) -> bool:
        machine = self.machine
        if not self._ends_here(token):
            return False
        brackets = self._open_brackets()
        closing = token.text in CLOSERS
        if closing and brackets and CLOSER[brackets[-1][1].text] == token.text:
            return False
        missing: list[Token] = []
        for index, opening in reversed(brackets):
            if self._is_block(index) and token.kinds[0] != END and token.text not in DECLARATION_WORDS:
                break
            if closing and CLOSER[opening.text] == token.text and missing:
                break
            missing.append(opening)
        if not missing:
            return False
        opening = missing[0]
        right = CLOSER[opening.text]
        before = self._before or opening
        place = Token((), right, before.end, before.end + 1)
        self._report(
            UNCLOSED,
            place,
            f"`{right}` is missing",
            help=f"type `{right}` after {quoted(before)}",
            related=self._related(opening, "opened here"),
        )
        machine.builder.spoiled.append(opening.start)
        for bracket in missing[:8]:
            if not machine.feed(Token((kind_of(CLOSER[bracket.text]),), "", before.end, before.end)):
                return self.skip()
        return True if any(machine.accepts(kind) for kind in token.kinds) else self.skip()

    def _misspelled(self, token: Token) -> bool:
        if token.kinds not in _MISSPELLABLE or len(token.text) > 40:
            return False
        machine = self.machine
        words = {text: kind for kind in self._accepted() if (text := text_of_kind(kind)) and text.isalpha()}
        first = machine.first_on_line(machine.at)
        if first and len(token.text) < 4:  # too short to be anything but the beginning of a clause
            words = {text: kind for text, kind in words.items() if kind in structure_words()}
        meant = nearest(token.text, words)
        if meant is None:
            return False
        follow = machine.tokens[machine.at + 1].kinds
        begins = first and words[meant] in structure_words()
        if not (begins or any(machine.accepts(words[meant], kind) for kind in follow)):
            return False
        if words[meant] in structure_words():
            self._report_word(token, meant)
        else:
            self._report(
                UNEXPECTED, token, f"{quoted(token)} has no place here", help=f"did you mean `{meant}`?"
            )
        machine.tokens[machine.at] = Token((words[meant],), meant, token.start, token.end)
        return True

    def _report_word(self, token: Token, meant: str) -> None:
        what = "declaration" if meant in DECLARATION_WORDS else "step" if meant in STEP_WORDS else "clause"
        self._report(
            UNKNOWN_WORD, token, f"there is no {what} `{token.text}`", help=f"did you mean `{meant}`?"
        )

    def _missing_piece(self, token: Token) -> bool:
        """A sign or a small word left out, or a clause that stops too early."""
        machine = self.machine
        before = self._before
        if before is None:
            return False
        accepted = self._accepted()
        complete = self._complete()
        ends = self._ends_here(token)
        if not complete and not ends:
            following = machine.tokens[machine.at + 1].kinds
            for text in _TELLING:
                kind = kind_of(text)
                if text == "in" and "COMPARE" in accepted:
                    continue
                if kind in accepted and any(
                    machine.accepts(kind, now, then) for now in token.kinds for then in following
                ):
                    self._report(
                        MISSING,
                        token,
                        f"`{text}` is missing before {quoted(token)}",
                        help=f"type `{text}` between `{before.text}` and {quoted(token)}",
                    )
                    if text == "{":  # whose end nobody can guess: the effect goes with its block
                        machine.truncate(machine.depth_accepting(token.kinds[0]))
                        machine.builder.spoiled.append(token.start)
                        return True
                    machine.feed(Token((kind,), text, before.end, before.end))
                    return True
        if complete or not ends:
            return False
        waited = phrases(accepted)
        what = joined(waited) if len(waited) <= 4 else "the rest of it"
        if "_WITHIN" in accepted:
            what = "`within` and a time"
        self._report(
            MISSING,
            before,
            f"{what} is missing after `{before.text}`",
            help=self._form(),
        )
        machine.builder.spoiled.append(before.start)
        return self.skip()

    def _form(self) -> str:
        """What the innermost clause or declaration should look like."""
        for value in reversed(self.machine.values):
            if isinstance(value, Token) and value.kinds[0] in structure_words():
                return f"the form is {FORMS.get(value.text, value.text)}"
        return ""

    def _unknown_word(self, token: Token) -> bool:
        machine = self.machine
        if not machine.first_on_line(machine.at) or token.kinds[-1] not in {"NAME", "BAD_WORD", "EVENT"}:
            return False
        if self._open_brackets() and not self._is_block(self._open_brackets()[-1][0]):
            return False
        if not self._complete():
            return False
        if machine.accepts("_WHEN") or machine.accepts("_DO"):
            what, advice = "clause", _LOOP_HELP
        elif machine.accepts("_AT"):
            what, advice = "step", _STEP_HELP
        else:
            what, advice = "declaration", _FILE_HELP
        if token.kinds[0] in structure_words():
            home = "a test" if token.text in STEP_WORDS else "a loop"
            if machine.accepts("_DO") and token.text in CLAUSE_WORDS:
                message, advice = (
                    f"`{token.text}` stands in a block of effects",
                    "only `set`, `emit` and `do` do",
                )
            else:
                message = f"`{token.text}` stands outside of {home}"
            self._report(UNKNOWN_WORD, token, message, help=advice)
        else:
            self._report(UNKNOWN_WORD, token, f"no {what} begins with {quoted(token)}", help=advice)
        machine.at += 1
        return self.skip(spoil=False)

    def _unexpected(self, token: Token) -> bool:
        machine = self.machine
        before = self._before
        accepted = self._accepted()
        waited = phrases(accepted)
        if machine.accepts("LPAR") and machine.accepts("NUMBER"):
            message, advice = f"{quoted(token)} stands where an expression belongs", self._form()
        elif before is None or self._complete() or len(waited) > 5 or not waited:
            message = f"{quoted(token)} has no place here"
            advice = self._form() or _FILE_HELP
        else:
            message, advice = f"{quoted(token)} stands where {joined(waited)} belongs", self._form()
        self._report(UNEXPECTED, token, message, help=advice)
        return self.skip()
