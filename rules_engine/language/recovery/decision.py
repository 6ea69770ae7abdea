"""Decides on each mistake of one parse: one finding, and where to go on."""

from __future__ import annotations

from rules_engine.language import syntax as s
from rules_engine.language.lexer import END
from rules_engine.language.machine import CLAUSE_WORDS, MAX_DEPTH, OVER_LIMIT, Machine, structure_words
from rules_engine.language.recovery.missing import Missing
from rules_engine.language.recovery.place import Place
from rules_engine.language.recovery.repairer import followers
from rules_engine.language.recovery.repairs import Repairs
from rules_engine.language.recovery.unclosed import Unclosed
from rules_engine.language.recovery.unfit import Unfit
from rules_engine.language.recovery.wording import kind_of
from rules_engine.language.spelling import nearest

#: After so many the rest of a file is not read: something is wrong with it as a whole.
MAX_FINDINGS = 500


class Recovery:
    """Decides on each mistake of one parse."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.place = place = Place(machine)
        self.repairs = Repairs(machine)
        unclosed, missing, unfit = Unclosed(place), Missing(place), Unfit(place)
        self._attempts = (
            unclosed.text,
            unclosed.stray_closer,
            missing.expression,
            unclosed.bracket,
            unfit.misspelled,
            missing.sign,
            missing.rest,
            unfit.unknown_word,
            unfit.anything,
        )
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
        return not self.place.over

    def _decide(self) -> None:
        self._take_back_word()
        token = self.machine.tokens[self.machine.at]
        if self.repairs.attempt(token):
            if self.repairs.stuck:
                self.place.skip()
            return
        any(attempt(token) for attempt in self._attempts)

    def _force_on(self) -> None:
        """Whatever was tried did not help: never look at the same token for ever."""
        self.place.misspelled_at = -1
        if self.machine.tokens[self.machine.at].kinds[0] == END:
            self.place.over = True
        else:
            self.machine.at += 1
            self.place.skip()

    def _stop(self) -> None:
        """Leaves the rest of the file unread."""
        machine = self.machine
        rest = machine.tokens[machine.at]
        if machine.findings[-1].code is not OVER_LIMIT:
            message = f"after {MAX_FINDINGS} mistakes the rest of this file is not read"
            self.place.report(OVER_LIMIT, rest, message, help="mend the first ones; more may be found then")
        machine.broken.append(s.Broken(machine.builder.span(rest.start, machine.tokens[-1].end), "", None))
        machine.at = len(machine.tokens) - 1
        self.place.skip()

    def _too_deep(self) -> None:
        machine = self.machine
        self.place.report(
            OVER_LIMIT,
            machine.tokens[machine.at],
            f"this is nested more than {MAX_DEPTH} deep",
            help="give a part of it a name, with `with` in the loop or with `let`",
        )
        self.place.skip(within=False)

    def _take_back_word(self) -> None:
        """A clause word was read as the name of a field, and now the text makes no sense: take it back.

        In `when a > 3 or` and, on the next line, `do H.a()`, the mistake is the `or`, not the `H.a`.
        """
        machine = self.machine
        before = self.place.before
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
            self.place.misspelled_at = before.start
        elif word in structure_words() and not first and now[0] not in {"ACTION", "EVENT"}:
            return
        follow = followers().get(word, frozenset())
        if any(kind in follow for kind in now) or (
            "DURATION" in follow and now[0] in {"NUMBER", "BAD_NUMBER"}
        ):
            machine.unshift()
