"""One resolver for event names, in publish, subscribe, history, storage and rules (A13).

A name may be given as an enum member, its name, its value, in any case, or as an alias. It always comes out
as the one canonical name, upper case, under which the event lies in the log.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from importlib import import_module

from rules_engine.events.errors import UnknownEventType

#: So many different spellings are remembered; more are looked up anew each time.
_REMEMBERED_SPELLINGS = 10_000
#: And so many different names that do not exist.
_REMEMBERED_MISTAKES = 1_000


class Vocabulary:
    """The names that exist. Safe to read from any thread; `declare` swaps whole tables."""

    def __init__(
        self, names: Iterable[str], aliases: Mapping[str, str], more: Callable[[], bool] = lambda: False
    ) -> None:
        #: Asked when a name is not known: whether it has declared some since.
        self._more = more
        self._names = frozenset(names)
        self._aliases = dict(aliases)
        self._known: dict[str, str] = {}
        #: Names that somebody used and that do not exist, with how often.
        self.unknown: Counter[str] = Counter()
        self._remember()

    @property
    def names(self) -> frozenset[str]:
        """All canonical names."""
        return self._names

    def declare(self, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        """Add event types, for instance those of a user's rule files. What is there already stays.

        Raises `ValueError` for a name that is an alias of another event, and for an alias of an unknown one.
        """
        added = {_upper(name) for name in names}
        for name in added:
            if (other := self._aliases.get(name)) is not None:
                raise ValueError(f"{name} cannot be declared: it is a spelling of {other}")
        merged = self._names | added
        extra = {_upper(alias): _upper(name) for alias, name in (aliases or {}).items()}
        for alias, name in extra.items():
            if name not in merged:
                raise ValueError(f"{alias} cannot stand for {name}: there is no such event")
            if alias in merged or self._aliases.get(alias, name) != name:
                raise ValueError(f"{alias} cannot stand for {name}: it means another event")
        self._names = merged
        self._aliases = self._aliases | extra
        self._remember()

    def resolve(self, spelling: object, *, allow_unknown: bool = False) -> str:
        """The canonical name. `TypeError` for what is no name at all, `UnknownEventType` for a wrong one."""
        if type(spelling) is str and (known := self._known.get(spelling)) is not None:
            return known
        text = self._text(spelling)
        name = self.find(text)
        if name is None and not allow_unknown and self._more():
            name = self.find(text)
        if name is None:
            if not allow_unknown:
                if text in self.unknown or len(self.unknown) < _REMEMBERED_MISTAKES:
                    self.unknown[text[:200]] += 1
                raise UnknownEventType(self._complaint(text))
            name = _upper(text)
            if not name.replace("_", "").replace(".", "").isalnum():
                raise UnknownEventType(
                    f"{text!r:.80} cannot be the name of an event: use letters, digits and _"
                )
            return name
        if len(self._known) < _REMEMBERED_SPELLINGS:
            self._known[text] = name
        return name

    def find(self, text: str) -> str | None:
        """The canonical name of a spelling, None if it has none."""
        upper = _upper(text)
        return upper if upper in self._names else self._aliases.get(upper)

    def nearest(self, text: str) -> str | None:
        """The name somebody probably meant, None if none is near."""
        candidates = [*self._names, *self._aliases]
        close = difflib.get_close_matches(_upper(text), candidates, n=1, cutoff=0.6)
        return self.find(close[0]) if close else None

    def variants(self, name: str) -> list[str]:
        """All spellings of an event (upper case), its canonical name first."""
        canonical = self.resolve(name)
        return [canonical, *sorted(alias for alias, of in self._aliases.items() if of == canonical)]

    def _remember(self) -> None:
        known = {name: name for name in self._names}
        known.update((name.lower(), name) for name in self._names)
        self._known = known

    def _text(self, spelling: object) -> str:
        if isinstance(spelling, Enum):
            if self.find(spelling.name) is None and isinstance(spelling.value, str):
                return str(spelling.value)
            return spelling.name
        if isinstance(spelling, str):
            return spelling
        raise TypeError(
            f"an event type is a name or a DataEventType, not {type(spelling).__name__}: {spelling!r:.80}"
        )

    def _complaint(self, text: str) -> str:
        near = self.nearest(text)
        hint = f": did you mean {near}?" if near else "."
        return (
            f"unknown event type {text!r:.80}{hint} Events of your own are declared in a rule file"
            " that the daemon has loaded, or with router.declare(...)"
        )


def _upper(text: str) -> str:
    return text.strip().upper()


@cache
def shipped_vocabulary() -> tuple[frozenset[str], dict[str, str]]:
    """Names and aliases of the shipped catalogue."""
    # The emit functions beside these tables call publish(), which needs the tables: loading them by
    # name keeps that circle out of the module graph.
    types = import_module("rules_engine.events.generated.event_types")
    aliases = import_module("rules_engine.events.generated.aliases")
    return frozenset(member.name for member in types.DataEventType), dict(aliases.ALIASES)
