"""Around the place where a parse stands, and where reading can go on after a mistake."""

from __future__ import annotations

from rules_engine.language.diagnostics import Code, Diagnostic, Related
from rules_engine.language.lexer import END, Token
from rules_engine.language.machine import CLAUSE_WORDS, Machine, structure_words
from rules_engine.language.recovery.wording import FORMS, kind_of
from rules_engine.language.spelling import nearest

CLOSER = {"(": ")", "[": "]", "{": "}"}
CLOSERS = frozenset(CLOSER.values())


class Place:
    """Looks around the place where a parse stands, and finds the next one to go on from.

    `over` says that nothing is left to read, `misspelled_at` where a word stands that was meant to
    begin a clause.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.over = False
        self.misspelled_at = -1

    # ---- what stands here ------------------------------------------------------------------------

    @property
    def before(self) -> Token | None:
        """The last token that was read."""
        return self.machine.tokens[self.machine.at - 1] if self.machine.at else None

    @property
    def next(self) -> Token:
        """The token behind the one that does not fit; the end of the file when that is the one."""
        tokens = self.machine.tokens
        return tokens[min(self.machine.at + 1, len(tokens) - 1)]

    def report(
        self, code: Code, at: Token, message: str, *, help: str = "", related: Related | None = None
    ) -> None:
        """One finding at a token."""
        span = self.machine.builder.span(at.start, max(at.end, at.start + 1))
        self.machine.findings.append(
            Diagnostic(code, span, message, help, related=(related,) if related else ())
        )

    def spoil(self, token: Token) -> None:
        """Leaves the clause around a token out of the tree, once it is read."""
        self.machine.builder.spoiled.append(token.start)

    def accepted(self) -> list[str]:
        """All terminals that could come next."""
        row = self.machine.tables.rows[self.machine.states[-1]]
        return [kind for kind in row if kind.isupper() and self.machine.accepts(kind)]

    def wants_expression(self) -> bool:
        """Whether an operand has to come next."""
        return self.machine.accepts("LPAR") and self.machine.accepts("NUMBER")

    def complete(self) -> bool:
        """Whether the clause, step or declaration before could end here."""
        machine = self.machine
        effects = machine.accepts("_DO") and not machine.accepts("_NOTHING")
        return effects or machine.accepts("_AT") or machine.accepts(END)

    def first_on_line(self) -> bool:
        """Whether nothing stands before the token on its line."""
        return self.machine.first_on_line(self.machine.at)

    def ends_here(self, token: Token) -> bool:
        """Whether what was begun cannot go on with this token: the next clause or the end is here."""
        return token.kinds[0] == END or token.text in CLOSERS or self.begins_line(self.machine.at)

    def begins_line(self, index: int) -> bool:
        """Whether a word of the language that begins a clause, or was meant to, is first on its line."""
        token = self.machine.tokens[index]
        if token.start == self.misspelled_at:
            return True
        return token.kinds[0] in structure_words() and self.machine.first_on_line(index)

    def form(self) -> str:
        """What the innermost clause or declaration should look like."""
        for value in reversed(self.machine.values):
            if isinstance(value, Token) and (
                value.kinds[0] in structure_words() or (value.text in FORMS and "NAME" in value.kinds)
            ):
                return f"the form is {FORMS.get(value.text, value.text)}"
        marked = any(isinstance(value, Token) and value.text == "@" for value in self.machine.values)
        return 'the form is `@owner("team")`, and then the loop it is about' if marked else ""

    # ---- brackets --------------------------------------------------------------------------------

    def open_brackets(self) -> list[tuple[int, Token]]:
        """The brackets not closed yet, outermost first, with their places on the stack."""
        found: list[tuple[int, Token]] = []
        for index, value in enumerate(self.machine.values):
            if isinstance(value, Token):
                if value.text in CLOSER:
                    found.append((index, value))
                elif value.text in CLOSERS and found:
                    found.pop()
        return found

    def is_block(self, index: int) -> bool:
        """Whether an open bracket holds clauses or steps rather than a list."""
        row = self.machine.tables.rows[self.machine.states[index + 1]]
        return "_AT" in row or "_DO" in row

    def closer_follows(self, opening: Token, *, block: bool = False) -> bool:
        """Whether the other half of an open bracket comes before the next clause; of a block, before
        the next declaration. Looks a thousand tokens ahead."""
        machine, level = self.machine, 0
        for index in range(machine.at, min(machine.at + 1000, len(machine.tokens))):
            token = machine.tokens[index]
            if token.text in CLOSER:
                level += 1
            elif token.text in CLOSERS:
                if not level:
                    return token.text == CLOSER[opening.text]
                level -= 1
            elif self.begins_line(index) and (not block or machine.accepts(token.kinds[0], depth=2)):
                return False
        return False

    def closes(self, token: Token, bracket: Token) -> bool:
        """Whether a token fits behind a bracket that is never closed, and only there."""
        return (
            token.text not in CLOSER
            and self.machine.accepts(kind_of(CLOSER[bracket.text]), token.kinds[0])
            and not self.closer_follows(bracket)
        )

    # ---- going on --------------------------------------------------------------------------------

    def skip(self, *, spoil: bool = True, within: bool = True) -> bool:
        """Goes on at the next clause, step or declaration, or behind the list or block around.

        What was begun before is left out of the tree. Returns True: the mistake is dealt with.
        """
        machine = self.machine
        brackets = self.open_brackets() if within else []
        column = self._line_column()
        level = 0
        if spoil and machine.at:
            self._spoil_last()
        begin = machine.at
        for index in range(begin, len(machine.tokens)):
            token = machine.tokens[index]
            keep = self._depth_to_go_on(index, column if index > begin else None)
            if token.kinds[0] == END and not keep:
                break
            if not keep and token.text in CLOSER:
                level += 1
            elif not keep and level and token.text in CLOSERS:
                level -= 1
            elif not keep and brackets and not level and (token.text in CLOSERS or token.text == ","):
                keep = self._depth_within(token, brackets)
            if keep:
                machine.truncate(keep)
                machine.at = index
                return True
        self.over = True
        return True

    def _depth_to_go_on(self, index: int, column: int | None) -> int:
        """How much of the stack to keep to go on at a token that begins something; 0 when it does not."""
        machine = self.machine
        token = machine.tokens[index]
        kind = token.kinds[0]
        begins = kind in structure_words() and machine.begins_structure(index)
        if kind == END or begins or (token.text == "@" and machine.first_on_line(index)):
            return machine.depth_accepting(kind)
        if token.start == self.misspelled_at:
            return self._clause_depth()
        if column is not None and self._looks_like_clause(index, column):
            return self._clause_depth()
        return 0

    def _depth_within(self, token: Token, brackets: list[tuple[int, Token]]) -> int:
        """The same at a comma or the end of the innermost list or block."""
        keep = self.machine.depth_accepting(token.kinds[0])
        place, opening = brackets[-1]
        if keep <= place + 1:
            if token.text in CLOSERS:
                brackets.pop()
            return 0
        if not self.is_block(place):
            self.spoil(opening)
        return keep

    def _spoil_last(self) -> None:
        """What was read last belongs to what went wrong, unless it ended on a line before."""
        machine = self.machine
        if not (self.complete() and machine.first_on_line(machine.at)):
            self.spoil(machine.tokens[machine.at - 1])

    def _line_column(self) -> int:
        """The column in which the line of the mistake begins."""
        source = self.machine.source
        line, _ = source.position(self.machine.tokens[self.machine.at].start)
        text = source.line(line)
        return len(text) - len(text.lstrip())

    def _looks_like_clause(self, index: int, column: int) -> bool:
        """Whether a line at the same indentation begins with a misspelled clause word."""
        machine = self.machine
        token = machine.tokens[index]
        if token.kinds != ("NAME",) or len(token.text) > 40 or not machine.first_on_line(index):
            return False
        if machine.source.position(token.start)[1] - 1 != column:
            return False
        return self._clause_depth() > 0 and nearest(token.text, CLAUSE_WORDS) is not None

    def _clause_depth(self) -> int:
        return self.machine.depth_accepting("_ON") or self.machine.depth_accepting("_DO")
