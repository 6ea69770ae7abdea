"""What this process has published lately, so that an outage of the store repeats nothing to its handlers.

Whether an event is a repeat is for the store to say (R15). While it is away, this is the next best.
"""

from __future__ import annotations

from collections import OrderedDict

from rules_engine.events.publication import Publication

MAX_DIGESTS = 10_000


class RecentDigests:
    """Digests with the time of the first event that had them, by the steady clock. The caller locks."""

    def __init__(self, max_digests: int = MAX_DIGESTS) -> None:
        self._max = max_digests
        self._since_s: OrderedDict[bytes, float] = OrderedDict()

    def note(self, publication: Publication) -> None:
        """It was stored, or handed out."""
        digest = publication.new.dedup
        if digest is None or self.repeats(publication):
            return
        self._since_s[digest] = publication.since_s
        self._since_s.move_to_end(digest)
        if len(self._since_s) > self._max:
            self._since_s.popitem(last=False)

    def repeats(self, publication: Publication) -> bool:
        """Whether an equal event was noted within its window."""
        digest = publication.new.dedup
        since_s = self._since_s.get(digest) if digest is not None else None
        if since_s is None:
            return False
        return (publication.since_s - since_s) * 1000 < publication.new.dedup_window_ms
