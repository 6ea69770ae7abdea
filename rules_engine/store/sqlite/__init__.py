"""The store in one SQLite file."""

from rules_engine.store.sqlite.housekeeping import SqliteStore

__all__ = ["SqliteStore"]
