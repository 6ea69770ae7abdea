"""A rich console that lets nothing through which came from outside and a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from rules_engine.terminal_text import visible


class PlainConsole(Console):
    """Tables, texts and pages for people; colours are rich's own and are added after this."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is to be written, piece by piece; a piece has its text and, beside it, its style."""
        for segment in super().render(renderable, options):
            text = visible(segment.text)
            yield segment if segment.control or text == segment.text else segment._replace(text=text)
