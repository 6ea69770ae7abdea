"""What can be a handler, and what cannot."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from rules_engine.events.event_router import get_router


def _yields(event: object) -> Iterator[object]:
    yield event


async def _yields_async(event: object) -> AsyncIterator[object]:
    yield event


class _Object:
    def __call__(self, event: object) -> Iterator[object]:
        yield event


@pytest.mark.parametrize(
    "handler", [_yields, _yields_async, functools.partial(_yields), _Object(), _Object().__call__]
)
def test_a09_a_handler_with_a_yield_is_refused_when_it_subscribes(
    handler: Callable[..., Any],
) -> None:
    with pytest.raises(TypeError, match="would never run"):
        get_router().subscribe("TRAINING_COMPLETED", handler)
