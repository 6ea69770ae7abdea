"""Known slips: said in one finding, then read as what was meant, so that nothing follows from them."""

from __future__ import annotations

from rules_engine.language.lexer import Token
from rules_engine.language.machine import Machine
from rules_engine.language.recovery.brackets import BracketRepairs
from rules_engine.language.recovery.groups import GroupRepairs
from rules_engine.language.recovery.numbers import NumberRepairs
from rules_engine.language.recovery.operators import OperatorRepairs
from rules_engine.language.recovery.phrases import PhraseRepairs
from rules_engine.language.recovery.signs import SignRepairs
from rules_engine.language.recovery.words import WordRepairs


class Repairs:
    """Tries all known slips at the place where a parse stands."""

    def __init__(self, machine: Machine) -> None:
        self._all = (
            OperatorRepairs(machine),
            GroupRepairs(machine),
            SignRepairs(machine),
            NumberRepairs(machine),
            BracketRepairs(machine),
            PhraseRepairs(machine),
            WordRepairs(machine),
        )

    @property
    def stuck(self) -> bool:
        """Whether the last slip was reported and cannot be mended: go on at the next clause."""
        return any(repairs.stuck for repairs in self._all)

    def attempt(self, token: Token) -> bool:
        """Whether a known slip was found; then it is reported and mended."""
        for repairs in self._all:
            repairs.stuck = False
        return any(repairs.attempt(token) for repairs in self._all)
