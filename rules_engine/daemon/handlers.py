"""What performs actions: functions and classes of the user, found, named and checked.

The contract of a handler: it is called with the action's arguments by name, and with an
`ActionContext` if it has a parameter called `context`. It may be a plain function or `async`. Raising is a
failed attempt, which is retried as the loop says; raising `GiveUp` ends the retries.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from rules_engine.event import Event

_ACTION = "__rules_engine_action__"
_HANDLER = "__rules_engine_handler__"

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


class GiveUp(Exception):
    """Raised by a handler: this action cannot succeed, do not try it again."""


class HandlersError(Exception):
    """Handlers that cannot be used; the message names them and says what to do."""


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What a handler may know about the call it got, in a parameter named `context`.

    `idempotency_key` is the same for each attempt at one action and differs between actions: remember it
    where doing something twice would hurt. `loop` is empty when a knob's change drives the action.
    `event` is the event that the loop fired on, `firing` the decision's id (`position.n`), `attempt`
    counts from 1. Past `deadline` the attempt counts as failed.
    """

    idempotency_key: str
    loop: str
    key: tuple[Any, ...]
    event: Event
    firing: str
    attempt: int
    deadline: datetime

    def remaining_seconds(self) -> float:
        """How long this attempt still has; never below 0."""
        return max(0.0, (self.deadline - datetime.now(UTC)).total_seconds())


def action(name: str) -> Callable[[F], F]:
    """Marks a function, or a method of a handler class, as what performs the action `Handler.verb`."""
    _check_name(name)

    def mark(function: F) -> F:
        setattr(function, _ACTION, name)
        return function

    return mark


def handler(cls: C) -> C:
    """Marks a class whose public methods perform the actions `Class.method`; it is made without arguments."""
    setattr(cls, _HANDLER, cls.__name__)
    return cls


@dataclass(frozen=True, slots=True)
class Handler:
    """What performs one action."""

    action: str
    call: Callable[..., Any]
    is_async: bool
    where: str
    parameters: tuple[str, ...]
    required: frozenset[str]
    takes_any: bool

    @classmethod
    def of(cls, action: str, call: Callable[..., Any]) -> Handler:
        """Reads the signature of `call`. Raises `HandlersError` if it cannot be called by name."""
        where = f"{getattr(call, '__module__', '?')}.{getattr(call, '__qualname__', type(call).__name__)}"
        try:
            signature = inspect.signature(call)
        except (TypeError, ValueError):
            raise HandlersError(f"{where}, for {action}, has no signature that can be read") from None
        parameters = list(signature.parameters.values())
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
        if positional:
            raise HandlersError(
                f"{where}, for {action}: `{positional[0]}` cannot be given by name; take out the `/`"
            )
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        return cls(
            action=action,
            call=call,
            is_async=inspect.iscoroutinefunction(call)
            or inspect.iscoroutinefunction(getattr(call, "__call__", None)),  # noqa: B004
            where=where,
            parameters=tuple(p.name for p in named),
            required=frozenset(p.name for p in named if p.default is p.empty),
            takes_any=any(p.kind is p.VAR_KEYWORD for p in parameters),
        )

    def arguments(self, given: Mapping[str, Any], context: ActionContext) -> dict[str, Any]:
        """The keyword arguments of a call: what is missing was unknown to the loop, and is None.

        Raises `GiveUp` if the action carries an argument that the handler does not take: no retry mends that.
        """
        if (problem := self.mismatch(given, known=given)) is not None:
            raise GiveUp(problem)
        arguments = dict.fromkeys(self.required) | dict(given)
        if "context" in self.parameters and "context" not in given:
            arguments["context"] = context
        return arguments

    def mismatch(self, given: Collection[str], known: Collection[str] | None = None) -> str | None:
        """Why arguments of these names cannot be passed; None if they can.

        With `known` None, `given` are all the action's parameters, and what the handler requires must be
        among them.
        """
        extra = sorted(set(given) - set(self.parameters)) if not self.takes_any else []
        if extra:
            return f"{self.where} does not take `{extra[0]}`, which the action {self.action} passes"
        missing = sorted(self.required - set(given) - {"context"}) if known is None else []
        if missing:
            return f"{self.where} requires `{missing[0]}`, which the action {self.action} does not declare"
        return None


def unfit(handlers: Mapping[str, Handler], actions: Mapping[str, Collection[str]]) -> list[str]:
    """What does not fit between handlers and declared actions (name to parameter names), one sentence each.

    A handler of an action that no rule declares is no mistake: rules come and go.
    """
    problems = (h.mismatch(actions[name]) for name, h in sorted(handlers.items()) if name in actions)
    return [problem for problem in problems if problem is not None]


def collect(given: Collection[object]) -> dict[str, Handler]:
    """The handlers in modules, functions marked with `@action`, classes, instances, and dicts by action name.

    Raises `HandlersError` if something is no handler, or if two perform the same action.
    """
    found: dict[str, Handler] = {}
    made: dict[type, object] = {}
    for thing in given:
        for name, call in _calls(thing, made):
            one = Handler.of(name, call)
            known = found.setdefault(name, one)
            if known.call != one.call:
                raise HandlersError(f"{name} has two handlers, {known.where} and {one.where}: keep one")
    return found


def _calls(thing: object, made: dict[type, object]) -> list[tuple[str, Callable[..., Any]]]:
    if inspect.ismodule(thing):
        return _module_calls(thing, made)
    if isinstance(thing, Mapping):
        return [(_check_name(name), _callable(name, call)) for name, call in thing.items()]
    if isinstance(thing, list | tuple | set | frozenset):
        return [pair for one in thing for pair in _calls(one, made)]
    if isinstance(thing, type):
        if thing not in made:
            made[thing] = _make(thing)
        return _method_calls(made[thing])
    if isinstance(name := getattr(thing, _ACTION, None), str) and callable(thing):
        return [(name, thing)]
    if inspect.isroutine(thing):
        raise HandlersError(f'{thing.__name__} performs no action: mark it with @action("Handler.verb")')
    calls = _method_calls(thing)
    if not calls:
        raise HandlersError(f"{thing!r:.80} has no public method, so it performs no action")
    return calls


def _check_name(name: object) -> str:
    handler, dot, verb = name.partition(".") if isinstance(name, str) else ("", "", "")
    if not (dot and handler.isidentifier() and verb.isidentifier()):
        raise HandlersError(
            f'an action has two names, as in @action("RollbackManager.roll_back"), not {name!r}'
        )
    return f"{handler}.{verb}"


def _callable(name: object, call: object) -> Callable[..., Any]:
    if not callable(call):
        raise HandlersError(f"the handler of {name} is not callable: {call!r:.80}")
    return call


def _module_calls(module: Any, made: dict[type, object]) -> list[tuple[str, Callable[..., Any]]]:
    calls: list[tuple[str, Callable[..., Any]]] = []
    for thing in vars(module).values():
        if (_HANDLER in vars(thing)) if isinstance(thing, type) else _is_marked(thing):
            calls += _calls(thing, made)
    if not calls:
        raise HandlersError(
            f"the module {module.__name__} has no handlers:"
            ' mark functions with @action("Handler.verb") or classes with @handler'
        )
    return calls


def _is_marked(thing: object) -> bool:
    if inspect.isroutine(thing):
        return isinstance(getattr(thing, _ACTION, None), str)
    return _HANDLER in vars(type(thing))


def _make(cls: type) -> object:
    try:
        return cls()
    except Exception as error:
        raise HandlersError(f"{cls.__name__}() failed: {type(error).__name__}: {error}") from error


def _method_calls(instance: object) -> list[tuple[str, Callable[..., Any]]]:
    cls = type(instance)
    calls = []
    for name, member in inspect.getmembers(cls, callable):
        if name.startswith("_") or isinstance(member, type):
            continue
        marked = getattr(member, _ACTION, None)
        calls.append((marked or f"{cls.__name__}.{name}", getattr(instance, name)))
    return calls
