"""Imports the modules named by `--handlers`: a dotted module or a file, optionally with `:attribute`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from rules_engine.daemon.handlers import HandlersError


def load_module(spec: str) -> Any:
    """The module (or attribute) that `spec` names: `pkg.module`, `path/to/file.py`, either with `:attr`.

    The working folder is searched too, as `python -m` does. Raises `HandlersError`, which says shortly
    what failed and where, if it cannot be imported.
    """
    name, _, attribute = spec.partition(":")
    if not name:
        raise HandlersError(f"{spec!r} names no module: give a module such as `app.handlers`, or a file")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    module = _import(name, spec)
    thing: Any = module
    for part in filter(None, attribute.split(".")):
        if not hasattr(thing, part):
            raise HandlersError(f"{name} has no `{attribute}`")
        thing = getattr(thing, part)
    return thing


def _import(name: str, spec: str) -> ModuleType:
    path = Path(name)
    is_file = path.suffix == ".py" or "/" in name
    try:
        return _import_file(path) if is_file else importlib.import_module(name)
    except HandlersError:
        raise
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        if (
            not is_file
            and error.name is not None
            and (name == error.name or name.startswith(f"{error.name}."))
        ):
            raise HandlersError(
                f"there is no module `{name}` in the working folder or among the installed ones;"
                " give a dotted module or the path of a .py file"
            ) from None
        raise HandlersError(_why(spec, error)) from error
    except BaseException as error:  # a module may do anything, sys.exit() included
        raise HandlersError(_why(spec, error)) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise HandlersError(f"there is no file {path}")
    resolved = path.resolve()
    name = resolved.stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(resolved):
        return loaded
    if loaded is not None:  # never shadow a module of that name
        name = f"_handlers_{len(sys.modules)}_{name}"
    found = importlib.util.spec_from_file_location(name, resolved)
    if found is None or found.loader is None:
        raise HandlersError(f"{path} is not a Python file")
    if str(resolved.parent) not in sys.path:
        sys.path.insert(0, str(resolved.parent))
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _why(spec: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"cannot import `{spec}`: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    own = [f for f in frames if f.filename != __file__]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"cannot import `{spec}`: {type(error).__name__}: {error}{place}"
