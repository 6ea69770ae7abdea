"""Shadowed loops: what another loop does anyhow, whenever this one does."""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.checks.activations import Activation, activations, live, target
from rules_engine.language import program
from rules_engine.language.conditions import cases, every
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.variables import Key, Setting, key_of

SHADOWED = Code(
    "RE507", "shadowed-loop", Severity.WARNING, "Another loop does the same whenever this one acts."
)

#: Each is held against each other: of more that do the same, written by a program, none is compared.
_MOST_ALIKE = 40


def shadowed_loops(rules: program.Program) -> Iterator[Diagnostic]:
    """Loops whose every effect another loop has on the same events, under a condition at least as wide."""
    alike: dict[Key, list[tuple[program.Loop, list[Activation]]]] = {}
    # Of two that are alike, the later one is the copy.
    for loop in sorted(live(rules), key=lambda loop: (loop.path, loop.span.start), reverse=True):
        setting = Setting(dict(loop.locals))
        does = frozenset(_effect_key(effect, setting) for effect in loop.effects)
        if not does or loop.limit or loop.after or loop.cleared or isinstance(loop.trigger, program.Sequence):
            continue
        ways = list(activations(rules, loop))
        alike.setdefault((does, loop.per), []).append((loop, ways))
    told: set[str] = set()
    for group in alike.values():
        if len(group) > _MOST_ALIKE:
            continue
        for loop, ways in group:
            for other, wider in group:
                if other is loop or other.name in told or not _covers(other, wider, loop, ways):
                    continue
                told.add(loop.name)
                message = f"`{other.name}` does all this whenever `{loop.name}` does"
                advice = "remove one of the two loops, or give them conditions that exclude each other"
                related = (Related(other.name_span, "this one"),)
                yield SHADOWED.at(target(loop.effects[0]), message, help=advice, related=related)
                break


def _covers(other: program.Loop, wider: list[Activation], loop: program.Loop, ways: list[Activation]) -> bool:
    """Whether the other loop surely acts on each occasion on which this one may."""
    if (loop.until is None) is not (other.until is None) or other.cooldown_ms > loop.cooldown_ms:
        return False
    if other.unless is not None or loop.unless is not None or other.limit:
        return False
    if loop.until is not None and other.until is not None:
        own = key_of(loop.until, Setting(dict(loop.locals)))
        if own != key_of(other.until, Setting(dict(other.locals))):
            return False
    return all(
        any(_is_wider(two, one) for two in wider if two.occasion == one.occasion and not two.clears)
        for one in ways
        if not one.clears
    )


def _is_wider(wide: Activation, narrow: Activation) -> bool:
    """Whether no event lets the narrow one act and not the wide one."""
    same = _condition_key(wide) == _condition_key(narrow)
    filters = [event.filter for event in wide.loop.trigger.events if event.event == wide.named]
    if same and not any(filters):
        return True
    outside = [cases(wide.loop.when, wide.setting, wanted=False)]
    outside += [cases(passes, wide.setting, wanted=False) for passes in filters]
    # What is not understood is no proof: the outside then meets everything.
    return bool(narrow.cases) and not any(every([narrow.cases, part]) for part in outside)


def _condition_key(activation: Activation) -> Key:
    when = activation.loop.when
    return None if when is None else key_of(when, activation.setting)


def _effect_key(effect: program.Effect, setting: Setting) -> Key:
    condition = None if effect.condition is None else key_of(effect.condition, setting)
    match effect:
        case program.SetEffect(knob=knob, op=op, hold=hold, all_keys=all_keys):
            key = tuple(key_of(part, setting) for part in effect.key)
            return ("set", knob.name, op, hold, all_keys, key, key_of(effect.value, setting), condition)
        case program.EmitEffect(event=event, payload=given):
            name = event.name
        case program.DoEffect(action=action, arguments=given):
            name = action.name
        case _:
            return ("other", id(effect))
    return (name, tuple(sorted((part, repr(key_of(value, setting))) for part, value in given)), condition)
