"""Known slips: said in one finding, then read as what was meant, so that nothing follows from them."""

from __future__ import annotations

from rules_engine.language.lexer import Token
from rules_engine.language.machine import Machine
from rules_engine.language.recovery.brackets import BracketRepairs
from rules_engine.language.recovery.numbers import NumberRepairs
from rules_engine.language.recovery.signs import SignRepairs
from rules_engine.language.recovery.words import WordRepairs


class Repairs:
    """Tries all known slips at the place where a parse stands."""

    def __init__(self, machine: Machine) -> None:
        self._words = WordRepairs(machine)
        self._all = (
            SignRepairs(machine),
            NumberRepairs(machine),
            BracketRepairs(machine),
            self._words,
        )

    @property
    def stuck(self) -> bool:
        """Whether the last slip was reported and cannot be mended: go on at the next clause."""
        return self._words.stuck

    def attempt(self, token: Token) -> bool:
        """Whether a known slip was found; then it is reported and mended."""
        self._words.stuck = False
        return any(repairs.attempt(token) for repairs in self._all)
