"""The schema, in numbered steps: `0001.sql`, `0002.sql`, ... each one transaction with its number."""

from __future__ import annotations

import sqlite3
import uuid
from importlib.resources import files
from pathlib import Path
from typing import Final

from rules_engine.store.port import StoreNewer
from rules_engine.store.sqlite.failures import no_database

#: Marks a file as ours: "RULE" as SQLite's application id.
APPLICATION_ID: Final = 0x52554C45


def steps() -> dict[int, str]:
    """The text of each migration by its number."""
    folder = files(__package__)
    return {int(f.name[:4]): f.read_text() for f in folder.iterdir() if f.name.endswith(".sql")}


LATEST: Final = max(steps())


def check(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether there is a database of ours in the file; False if there is nothing yet.

    `StoreNewer`, and `StoreError` if it is somebody else's.
    """
    # Tables first: they come together with the version, so whoever sees one of ours sees that too.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise no_database(path, "it belongs to another program")
    if version > LATEST:
        raise StoreNewer(
            f"{path} was made by a newer version of rules-engine (schema {version}, this one knows {LATEST}):"
            " use that version"
        )
    if tables and not version:
        raise no_database(path, "it holds other tables")
    return bool(version)


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """In each transaction: whether the schema is still the one that was opened (R36)."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != LATEST:
        check(connection, path)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; the caller holds the write lock."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, text in sorted(steps().items()):
        if number <= found:
            continue
        first = (
            f"PRAGMA application_id = {APPLICATION_ID};"
            f"INSERT INTO meta VALUES ('log_id', '{uuid.uuid4().hex}');"
        )
        connection.executescript(
            f"BEGIN IMMEDIATE; {text}; {first if number == 1 else ''} PRAGMA user_version = {number}; COMMIT;"
        )
