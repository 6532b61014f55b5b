"""The tables of a vault, to the letter: what else is in a database is not ours, and nothing of it is read.

A trigger, a view, an index or a generated column is code that SQLite runs for us. No key is needed to put one
into a file, and the rows that it swallows or puts back are rows that were once sealed rightly.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from .integrity import Part, damaged

SCHEMA: Final = 1
"""Version of the format."""
# Without an index: what is not read when a vault is opened could be changed unnoticed.
_TABLES: Final = {
    "store": (
        "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL,"
        " id BLOB NOT NULL, key_check BLOB NOT NULL, epoch INTEGER NOT NULL, records_mac BLOB NOT NULL,"
        " log BLOB NOT NULL, ledger BLOB NOT NULL, manifest BLOB NOT NULL) STRICT"
    ),
    "records": (
        "CREATE TABLE records (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, wrapped_key BLOB NOT NULL,"
        " sealed BLOB NOT NULL) STRICT"
    ),
    "events": "CREATE TABLE events (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT",
}
TABLES: Final = frozenset(_TABLES)
_OBJECTS: Final = [
    ("table", name, name, page, text) for page, (name, text) in enumerate(_TABLES.items(), start=2)
]
"""What SQLite's own list holds: every object, the page where it begins, and its very text."""


class Executes(Protocol):
    """A database, within a transaction; `database.Database` is one, which itself asks for `TABLES`."""

    def execute(self, statement: str, /) -> list[Any]:
        """Run one statement, and return its rows."""


def make_tables(database: Executes) -> None:
    """Make the tables of a new vault, within a transaction."""
    for statement in _TABLES.values():
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA}")


def check_schema(database: Executes) -> None:
    """See that there are our tables and nothing else, within a transaction, before anything else is read.

    Raises
    ------
    VaultDamagedError
        If not.
    """
    found = database.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid")
    if found != _OBJECTS:
        raise damaged(Part.SCHEMA)


def is_empty(database: Executes) -> bool:
    """Whether nothing was ever made in a database, within a transaction."""
    return not database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")
