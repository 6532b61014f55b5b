"""The tables of a vault. A database whose schema differs by a single character is refused unread.

A trigger, a view, an index or a generated column is code that SQLite would run. No key is needed to add one
to a file, and it could drop or bring back rows that are validly sealed.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from .integrity import Part, damaged

SCHEMA: Final = 1
"""Version of the tables and of the encryption, to which all data are bound."""
FORMAT: Final = 2
"""Version of the format: of what stands in the tables, too. From 2 on records may have keys
(`storage.keys.Keys`). It is SQLite's user_version, so that older versions of this package refuse a vault that
they cannot read as too new, not as damaged. It vouches for nothing: every record says itself whether it has
keys."""
FORMATS: Final = frozenset({1, FORMAT})
"""Formats that are read. A vault of an older one becomes one of the newest with its next change."""
# No index: it is not read when a vault is opened, so it could be changed unnoticed.
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
"""The rows of SQLite's own list of objects: type, name, table, first page, and the exact text."""


class Executes(Protocol):
    """A database within a transaction, such as `database.Database` (which imports `TABLES` from here)."""

    def execute(self, statement: str, /) -> list[Any]:
        """Run one statement, and return its rows."""


def make_tables(database: Executes) -> None:
    """Make the tables of a new vault, within a transaction."""
    for statement in _TABLES.values():
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {FORMAT}")


def format_of(database: Executes) -> int:
    """Return the version of a database's format, within a transaction."""
    return int(database.execute("PRAGMA user_version")[0][0])


def bring_up_to_date(database: Executes) -> None:
    """Note the newest format, within a transaction that writes."""
    if format_of(database) != FORMAT:
        database.execute(f"PRAGMA user_version = {FORMAT}")


def check_schema(database: Executes) -> None:
    """Check that a database holds our tables and nothing else; within a transaction, before any other read.

    Raises
    ------
    VaultDamagedError
        If the schema is another one.
    """
    found = database.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid")
    if found != _OBJECTS:
        raise damaged(Part.SCHEMA)


def is_empty(database: Executes) -> bool:
    """Whether a database holds no object at all; within a transaction."""
    return not database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")
