"""Brackets and texts whose end is missing, and ends without a beginning."""

from __future__ import annotations

from rules_engine.language.diagnostics import Related
from rules_engine.language.lexer import END, Token
from rules_engine.language.machine import DECLARATION_WORDS
from rules_engine.language.recovery.codes import UNCLOSED, UNEXPECTED
from rules_engine.language.recovery.place import CLOSER, CLOSERS, Place
from rules_engine.language.recovery.wording import kind_of, quoted

#: So many missing ends are put in at one place; what lacks more is skipped.
_MAX_CLOSED = 8


class Unclosed:
    """Reports what is not closed where its end could have stood, with the place of its beginning."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.machine = place.machine

    def text(self, token: Token) -> bool:
        """A text without its second quote."""
        if token.kinds[0] != "BAD_TEXT":
            return False
        opening = Token(token.kinds, '"', token.start, token.start + 1)
        self.place.report(
            UNCLOSED,
            opening,
            "this text is not closed",
            help='type a `"` where it ends; a text stands on one line, `\\n` is a line end within it',
        )
        return self.place.skip()

    def stray_closer(self, token: Token) -> bool:
        """An end that closes nothing, or not what is open."""
        if token.text not in CLOSERS:
            return False
        machine = self.machine
        brackets = self.place.open_brackets()
        if not brackets or (self.place.is_block(brackets[-1][0]) and token.text != "}"):
            self.place.report(
                UNEXPECTED, token, f"`{token.text}` closes nothing", help=f"remove the `{token.text}`"
            )
            machine.at += 1
            return True
        opening = brackets[-1][1]
        right = CLOSER[opening.text]
        if token.text == right or not machine.accepts(kind_of(right)):
            return False
        outer = any(CLOSER[bracket.text] == token.text for _, bracket in brackets[:-1])
        if outer and machine.accepts(kind_of(right), token.kinds[0]):
            return False  # merely one missing: the next attempt says so
        self.place.report(
            UNCLOSED,
            token,
            f"`{token.text}` closes what `{opening.text}` opened",
            help=f"type `{right}`",
            related=self._opened(opening),
        )
        self.place.spoil(opening)
        machine.tokens[machine.at] = Token((kind_of(right),), right, token.start, token.end)
        return True

    def bracket(self, token: Token) -> bool:
        """An end that is missing: the next clause is here, or what can only stand behind the end."""
        machine = self.machine
        missing = self._missing(token)
        if not missing:
            return False
        opening = missing[0]
        right = CLOSER[opening.text]
        before = self.place.before or opening
        self.place.report(
            UNCLOSED,
            Token((), right, before.end, before.end + 1),
            f"`{right}` is missing",
            help=f"type `{right}` after {quoted(before)}",
            related=self._opened(opening),
        )
        self.place.spoil(opening)
        for bracket in missing[:_MAX_CLOSED]:
            if not machine.feed(Token((kind_of(CLOSER[bracket.text]),), "", before.end, before.end)):
                return self.place.skip()
        return True if any(machine.accepts(kind) for kind in token.kinds) else self.place.skip()

    def _missing(self, token: Token) -> list[Token]:
        """The open brackets that should have been closed before a token, innermost first."""
        brackets = self.place.open_brackets()
        if not brackets:
            return []
        index, innermost = brackets[-1]
        if not self.place.ends_here(token):
            block = self.place.is_block(index)
            return [innermost] if not block and self.place.closes(token, innermost) else []
        closing = token.text in CLOSERS
        if closing and CLOSER[innermost.text] == token.text:
            return []
        missing: list[Token] = []
        for index, opening in reversed(brackets):
            if self.place.is_block(index) and not self._block_ends(token, opening):
                break
            if closing and CLOSER[opening.text] == token.text and missing:
                break
            missing.append(opening)
        return missing

    def _block_ends(self, token: Token, opening: Token) -> bool:
        """Whether a block must have ended before a token: at a declaration, or at a clause that no
        block holds when no end of the block follows."""
        if token.kinds[0] == END or token.text in DECLARATION_WORDS:
            return True
        loose = self.machine.accepts("RBRACE", token.kinds[0]) and not self.machine.accepts(token.kinds[0])
        return loose and not self.place.closer_follows(opening, block=True)

    def _opened(self, opening: Token) -> Related:
        return Related(self.machine.builder.of(opening), "opened here")
