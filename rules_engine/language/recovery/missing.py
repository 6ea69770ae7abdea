"""What is missing, told where it is missing."""

from __future__ import annotations

from rules_engine.language.lexer import Token
from rules_engine.language.machine import structure_words
from rules_engine.language.recovery.codes import MISSING
from rules_engine.language.recovery.place import CLOSER, Place
from rules_engine.language.recovery.wording import joined, kind_of, phrases, quoted

#: Signs and small words whose absence can be told from what follows.
_TELLING = (",", ":", "=", "in", "of", "per", "..", "(", "{", "every")
#: The words that can stand before a time, a handler's method or an event: where but one of them
#: fits, that one is missing.
_LEADING = {
    "DURATION": ("every", "for", "timeout", "per", "within"),
    "ACTION": ("do", "drives", "undo"),
    "EVENT": ("emit", "send", "emits"),
    "NAME": ("set",),
}


class Missing:
    """Reports what was left out, and goes on as if it stood there where that can be told."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.machine = place.machine

    def expression(self, token: Token) -> bool:
        """An operand that is not there: a clause word stands in its place, or the end."""
        place, machine = self.place, self.machine
        before = place.before
        if before is None or not place.wants_expression():
            return False
        fits = any(machine.accepts("NAME", kind) for kind in token.kinds)
        if not (place.ends_here(token) or fits):
            return False
        if before.text == "{" or (before.text in {"(", "[", ","} and not fits):
            return False
        extra = token if token.text == "," and before.text in {"(", "[", ","} else before
        place.report(
            MISSING,
            before,
            f"an expression is missing after `{before.text}`",
            help=f"complete it, or remove the `{extra.text}`",
        )
        place.spoil(before)
        machine.feed(Token(("NAME",), "missing", before.end, before.end))
        return True if fits else place.skip()

    def sign(self, token: Token) -> bool:
        """A sign or a small word, where what follows tells which."""
        machine = self.machine
        before = self.place.before
        if before is None:
            return False
        text = self._told_by(token) if self.place.complete() else self._between(token)
        if text is None:
            return False
        kind = next(k for k in (kind_of(text), "IN", "_PER") if machine.accepts(k))
        first = self.place.first_on_line() and self.place.complete()
        self.place.report(
            MISSING,
            token,
            f"`{text}` is missing before {quoted(token)}",
            help=f"type `{text} {token.text}`"
            if first
            else f"type `{text}` between `{before.text}` and {quoted(token)}",
        )
        if text in CLOSER and not self.place.closer_follows(Token((kind,), text, token.start, token.start)):
            return self._unopened(token)
        machine.feed(Token((kind,), text, before.end, before.end))
        return True

    def _between(self, token: Token) -> str | None:
        """The sign between what was read and a token: the first that makes both fit."""
        machine = self.machine
        if self.place.ends_here(token):
            return None
        following = self.place.next.kinds
        loose = machine.first_on_line(machine.at + 1)
        accepted = self.place.accepted()
        for text in _TELLING:
            kind = kind_of(text)
            if kind not in accepted or (text == "in" and "COMPARE" in accepted):
                continue
            for now in token.kinds:
                if machine.accepts(kind, now) and (
                    loose or any(machine.accepts(kind, now, then) for then in following)
                ):
                    return text
        return self._told_by(token)

    def _told_by(self, token: Token) -> str | None:
        """The word that has to stand before a time, an action or an event; None when two could."""
        machine = self.machine
        kind = token.kinds[0]
        behind = self.place.next
        if kind == "NAME" and behind.kinds[0] not in {"EQ", "SETOP", "LSQB"} and behind.text != "==":
            return None
        if self.place.complete() and kind != "DURATION" and not self.place.first_on_line():
            return None
        if kind == "DURATION" and machine.accepts("_EVERY", kind):
            return "every"  # behind `retry 3`, where another option could come too
        words = [
            word
            for word in _LEADING.get(kind, ())
            if any(machine.accepts(k, kind) for k in machine.tables.words[word])
        ]
        return words[0] if len(words) == 1 else None

    def _unopened(self, token: Token) -> bool:
        """Goes on where both ends of a bracket are missing: of a block, with its first effect, which
        goes with the block; of a list, behind it."""
        machine = self.machine
        depth = machine.depth_accepting(token.kinds[0]) if token.kinds[0] in structure_words() else 0
        if not depth:
            return self.place.skip()
        machine.truncate(depth)
        self.place.spoil(token)
        return True

    def rest(self, token: Token) -> bool:
        """A clause that stops too early."""
        place = self.place
        before = place.before
        if before is None or place.complete() or not place.ends_here(token):
            return False
        accepted = place.accepted()
        waited = phrases(accepted)
        what = joined(waited) if len(waited) <= 4 else "the rest of it"
        advice = place.form()
        if "_WITHIN" in accepted:
            what, advice = "`within` with a time", "type how long it may take, as in `within 6h`"
        elif "_LOOP" in accepted:
            what, advice = "a loop", "an annotation stands right before the `loop` it is about"
        place.report(MISSING, before, f"{what} is missing after `{before.text}`", help=advice)
        place.spoil(before)
        return place.skip()
