"""The command `rules-engine`, also `python -m rules_engine`. Imports as late as it can: start-up time."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run a command line (default: this process's) and return its exit code: 0, 1 or 2."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--version"]:  # must not wait for anything else to be imported
        from rules_engine import __version__

        sys.stdout.write(f"rules-engine {__version__}\n")
        return 0
    from rules_engine.cli.app import run

    return run(given)


if __name__ == "__main__":
    sys.exit(main())
