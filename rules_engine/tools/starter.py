"""A first rule set for an empty folder: a loop with its knob, its tests and a handler."""

from __future__ import annotations

from pathlib import Path

_RULES = """\
# A first rule set: change it, save it, and a running daemon takes it over.

# What is turned: how much variety the self-play has, for each configuration on its own. No loop and no
# operator can leave the range. It rises by 0.5 in an hour at most, and goes back to 1.0 by itself,
# half of the way in six hours.
knob exploration per config_key in 1.0..2.0 = 1.0 step up 0.5 per 1h decay 6h
  drives SelfPlay.set_exploration

# What my_handlers.py can be asked to do. Each change of the knob asks for it once.
action SelfPlay.set_exploration(config_key: str, exploration: float in 1.0..2.0)

# TRAINING_LOSS_TREND is one of the events that come with the package:
# `rules-engine events TRAINING_LOSS_TREND` shows its fields.
loop stall_explores_more
  "A loss that stands still wants more variety."
  on TRAINING_LOSS_TREND
  per config_key
  when streak(trend == "stalled") >= 3
  cooldown 30m
  set exploration += 0.2

test "the third report of a stall in a row raises exploration" {
  at 0m   send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "stalled" }
  at 5m   send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "stalled" }
          expect nothing because condition
  at 10m  send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "stalled" }
          expect set exploration["hex8_2p"] = 1.2
          expect do SelfPlay.set_exploration("hex8_2p", exploration: 1.2)
          expect nothing else
}

test "an improvement in between starts the count again" {
  at 0m  send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "stalled" }
         send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "stalled" }
         send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "improving" }
         send TRAINING_LOSS_TREND { config_key: "hex8_2p", trend: "stalled" }
         expect nothing
}
"""

_HANDLERS = '''\
"""Performs what the loops ask for: `rules-engine run --handlers my_handlers` finds this file."""

from rules_engine import handler


@handler
class SelfPlay:
    """Each public method is an action: this one performs `SelfPlay.set_exploration`."""

    def set_exploration(self, config_key: str, exploration: float) -> None:
        """Tell the self-play; an exception here means that the engine tries again."""
        print(f"self-play of {config_key} now explores with {exploration:.2f}")
'''

#: An event to try it with, as `rules-engine publish` takes it.
EVENT = "TRAINING_LOSS_TREND config_key=hex8_2p trend=stalled"
RULES_FILE, HANDLERS_FILE = Path("rules", "exploration.loop"), Path("my_handlers.py")
_IGNORE_FILE, _IGNORED = Path(".gitignore"), ".rules-engine/"


class AlreadyThere(Exception):
    """Something of the user's stands where a first rule set would go; nothing was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is already there")
        self.path = path


def write(folder: Path) -> list[Path]:
    """Write a first rule set into a folder, made where it is missing; what was written, relative to it.

    `AlreadyThere`, before anything is written, where there are rules or handlers. A `.gitignore` gets a
    line more for the database.
    """
    rules = folder / RULES_FILE.parent
    for path in (*sorted(rules.glob("**/*.loop")), folder / HANDLERS_FILE):
        if path.exists():
            raise AlreadyThere(path)
    rules.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in ((RULES_FILE, _RULES), (HANDLERS_FILE, _HANDLERS)):
        with (folder / name).open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(name)
    if _ignore(folder / _IGNORE_FILE):
        written.append(_IGNORE_FILE)
    return written


def _ignore(path: Path) -> bool:
    """Keep the database out of version control; whether that needed a line."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if _IGNORED in before.split():
        return False
    end = "" if before.endswith("\n") or not before else "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{end}{_IGNORED}\n")
    return True
