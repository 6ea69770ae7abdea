"""Where reading can go on after a mistake."""

from __future__ import annotations

from rules_engine.language.lexer import END, Token
from rules_engine.language.machine import CLAUSE_WORDS, Machine, structure_words
from rules_engine.language.spelling import nearest

CLOSER = {"(": ")", "[": "]", "{": "}"}
CLOSERS = frozenset(CLOSER.values())


class Resync:
    """Looks around the place where a parse stands, and finds the next one to go on from."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._over = False  # nothing is left to read
        self._misspelled_at = -1  # where a word stands that was meant to begin a clause

    @property
    def _before(self) -> Token | None:
        return self.machine.tokens[self.machine.at - 1] if self.machine.at else None

    def _complete(self) -> bool:
        """Whether the clause, step or declaration before could end here."""
        machine = self.machine
        effects = machine.accepts("_DO") and not machine.accepts("_NOTHING")
        return effects or machine.accepts("_AT") or machine.accepts(END)

    def _open_brackets(self) -> list[tuple[int, Token]]:
        """The brackets not closed yet, outermost first, with their places on the stack."""
        found: list[tuple[int, Token]] = []
        for index, value in enumerate(self.machine.values):
            if isinstance(value, Token):
                if value.text in CLOSER:
                    found.append((index, value))
                elif value.text in CLOSERS and found:
                    found.pop()
        return found

    def _is_block(self, index: int) -> bool:
        """Whether an open bracket holds clauses or steps rather than a list."""
        row = self.machine.tables.rows[self.machine.states[index + 1]]
        return "_AT" in row or "_DO" in row

    def skip(self, *, spoil: bool = True, within: bool = True) -> bool:
        """Goes on at the next clause, step or declaration, or behind the list or block around.

        What was begun before is left out of the tree. Returns True: the mistake is dealt with.
        """
        machine = self.machine
        brackets = self._open_brackets() if within else []
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
        self._over = True
        return True

    def _depth_to_go_on(self, index: int, column: int | None) -> int:
        """How much of the stack to keep to go on at a token that begins something; 0 when it does not."""
        machine = self.machine
        token = machine.tokens[index]
        kind = token.kinds[0]
        begins = kind in structure_words() and machine.begins_structure(index)
        if kind == END or begins or (token.text == "@" and machine.first_on_line(index)):
            return machine.depth_accepting(kind)
        if token.start == self._misspelled_at:
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
        if not self._is_block(place):
            self.machine.builder.spoiled.append(opening.start)
        return keep

    def _spoil_last(self) -> None:
        """What was read last belongs to what went wrong, unless it ended on a line before."""
        machine = self.machine
        if not (self._complete() and machine.first_on_line(machine.at)):
            machine.builder.spoiled.append(machine.tokens[machine.at - 1].start)

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
