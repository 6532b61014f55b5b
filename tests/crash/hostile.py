"""Somebody who can write every file of a vault but its key: a grammar of what they write.

Statements of SQL through a connection of their own, pages by their bytes, frames of a write-ahead log with
checksums that are right, lines of the epoch file, and rows that were once sealed rightly: of older states,
and of another vault with the same key.
"""

# ruff: noqa: S608  # statements of SQL put together from parts: that is what it is for

from __future__ import annotations

import contextlib
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

TABLES: Final = ("store", "records", "events")
COLUMNS: Final = {
    "store": (*("one", "schema", "id", "key_check", "epoch", "records_mac", "log", "ledger", "manifest"),),
    "records": ("id", "version", "wrapped_key", "sealed"),
    "events": ("number", "sealed"),
}
NEVER_CREATED: Final = ("old", "other")
"""Databases that the attacker attaches: an older state of the vault, and another vault."""
PAGE: Final = 4096


@dataclass(frozen=True)
class Spoils:
    """What the attacker has kept, or got elsewhere.

    Attributes
    ----------
    older : folders of the same vault, as they were.
    other : folder of another vault of the same owner, with the same key.
    """

    older: tuple[Path, ...]
    other: Path


class Attacker:
    """Chooses what to write, by a seed."""

    def __init__(self, rng: random.Random, spoils: Spoils) -> None:
        self.rng = rng
        self.spoils = spoils

    # ---- through SQL ----

    def statements(self, file: Path) -> bool:
        """Run some statements on a database; returns whether its schema is another one then."""
        older = self.rng.choice(self.spoils.older)
        connection = apsw.Connection(str(file))
        try:
            before = _schema(connection)
            connection.set_busy_timeout(50)
            for name, place in zip(NEVER_CREATED, (older, self.spoils.other), strict=True):
                connection.execute("ATTACH ? AS " + name, (str(place / "vault.db"),))
            for _ in range(self.rng.randint(1, 4)):
                statement = self._statement()
                with contextlib.suppress(apsw.Error):
                    connection.execute(statement)
            for name in NEVER_CREATED:
                with contextlib.suppress(apsw.Error):
                    connection.execute(f"DETACH {name}")
            try:
                return _schema(connection) != before
            except apsw.Error:
                return False  # damaged; whether anybody could read it is another question
        finally:
            connection.close(True)

    def _statement(self) -> str:
        kinds: tuple[Callable[[], str], ...] = (
            *(self._trigger,) * 4,
            *(self._rows,) * 5,
            *(self._text,) * 2,
            *(self._swapped, self._index, self._column, self._table, self._pragma),
        )
        return self.rng.choice(kinds)()

    def _trigger(self) -> str:
        table = self.rng.choice(TABLES)
        when = self.rng.choice(("BEFORE", "AFTER"))
        event = self.rng.choice(("INSERT", "DELETE", "UPDATE", f"UPDATE OF {self._of(table)}"))
        guard = self.rng.choice(("", "", f"WHEN {self._condition()} "))
        body = " ".join(f"{self._inside(table, event)};" for _ in range(self.rng.randint(1, 3)))
        return f"CREATE TRIGGER t{self.rng.randrange(99)} {when} {event} ON {table} {guard}BEGIN {body} END"

    def _inside(self, table: str, event: str) -> str:
        row = "old" if "DELETE" in event or self.rng.random() < 0.5 else "new"
        again = ", ".join(f"{row}.{column}" for column in COLUMNS[table])
        return self.rng.choice(
            (
                "SELECT RAISE(IGNORE)",
                "SELECT RAISE(ABORT, 'no')",
                f"INSERT OR {self._conflict()} INTO {table} VALUES ({again})",
                f"DELETE FROM {table} WHERE {self._condition(table)}",
                f"UPDATE OR {self._conflict()} {table} SET {(column := self._of(table))} = {row}.{column}",
                f"UPDATE {self.rng.choice(TABLES)} SET {self._of('records')} = 0",
                f"INSERT OR {self._conflict()} INTO records SELECT * FROM mine",
                f"INSERT INTO mine SELECT * FROM {table}",
            )
        )

    def _rows(self) -> str:
        table = self.rng.choice(TABLES)
        column = self._of(table)
        source = self.rng.choice((*NEVER_CREATED, "main"))
        return self.rng.choice(
            (
                f"DELETE FROM {table} WHERE {self._condition(table)}",
                f"INSERT OR {self._conflict()} INTO {table} SELECT * FROM {source}.{table}",
                f"INSERT OR REPLACE INTO {table} SELECT * FROM old.{table}",
                (
                    f"UPDATE OR {self._conflict()} {table} SET {column} = (SELECT {column}"
                    f" FROM {source}.{table} ORDER BY random() LIMIT 1) WHERE {self._condition(table)}"
                ),
                f"UPDATE {table} SET {column} = {column} + {self.rng.choice((-1, 1, 1 << 40))}",
                f"UPDATE {table} SET {column} = {self._value()} WHERE {self._condition(table)}",
                f"UPDATE OR {self._conflict()} records SET id = -id WHERE {self._condition('records')}",
                f"REPLACE INTO records SELECT id, version, wrapped_key, sealed FROM {source}.records",
                f"DELETE FROM {table}",
                (
                    f"UPDATE store SET ({', '.join(rest := COLUMNS['store'][3:])}) ="
                    f" (SELECT {', '.join(rest)} FROM {source}.store)"
                ),
            )
        )

    def _swapped(self) -> str:
        """Have another thing stand under a table's name."""
        table = self.rng.choice(TABLES)
        return self.rng.choice(
            (
                f"ALTER TABLE {table} RENAME TO mine",
                f"CREATE VIEW {table} AS SELECT * FROM mine",
                f"CREATE TABLE mine AS SELECT * FROM {table}",
                f"CREATE TRIGGER v INSTEAD OF INSERT ON {table} BEGIN SELECT 1; END",
                f"CREATE TRIGGER w INSTEAD OF DELETE ON {table} BEGIN SELECT 1; END",
                f"DROP TABLE {table}",
                f"ALTER TABLE {table} RENAME COLUMN {self._of(table)} TO other",
            )
        )

    def _index(self) -> str:
        table = self.rng.choice(TABLES)
        unique = self.rng.choice(("", "UNIQUE "))
        what = self.rng.choice((self._of(table), "abs(random())", f"length({self._of(table)})"))
        guard = self.rng.choice(("", f" WHERE {self._condition(table)}"))
        return f"CREATE {unique}INDEX i{self.rng.randrange(99)} ON {table} ({what}){guard}"

    def _column(self) -> str:
        kind = self.rng.choice(
            ("BLOB", "INTEGER DEFAULT 7", "TEXT AS (hex(sealed))", "ANY GENERATED ALWAYS AS (1) VIRTUAL")
        )
        return f"ALTER TABLE {self.rng.choice(TABLES)} ADD COLUMN c{self.rng.randrange(99)} {kind}"

    def _table(self) -> str:
        return self.rng.choice(
            (
                "CREATE TABLE more (x PRIMARY KEY) WITHOUT ROWID",
                "CREATE VIRTUAL TABLE more USING fts5(x)",
                "CREATE TABLE mine AS SELECT * FROM old.records",
                "CREATE VIEW more AS SELECT load_extension('x')",
                "CREATE TABLE more (x AUTOINCREMENT)",
                "CREATE TABLE more (x INTEGER PRIMARY KEY AUTOINCREMENT)",
                "ANALYZE",
            )
        )

    def _text(self) -> str:
        """Change what SQLite keeps of the schema itself."""
        was, becomes = self.rng.choice(
            (
                ("STRICT", ""),
                ("STRICT", "STRICT, WITHOUT ROWID"),
                ("NOT NULL", "NOT NULL ON CONFLICT IGNORE"),
                ("NOT NULL", "DEFAULT 0"),
                ("PRIMARY KEY", "PRIMARY KEY ON CONFLICT IGNORE"),
                ("PRIMARY KEY", "PRIMARY KEY DESC"),
                ("INTEGER PRIMARY", "INT PRIMARY"),
                ("CHECK (one = 1)", "CHECK (one = 1 OR 1)"),
                ("BLOB", "BLOB COLLATE NOCASE"),
                ("BLOB", "ANY"),
                ("CREATE", "create"),
                (" (", "("),
                (")", " /* */)"),
                ("sealed BLOB NOT NULL", "sealed BLOB AS (wrapped_key)"),
                ("sealed BLOB NOT NULL", "sealed BLOB CHECK (random() > 0)"),
            )
        )
        where = f"name = '{self.rng.choice(TABLES)}'"
        change = self.rng.choice(
            (
                f"UPDATE sqlite_schema SET sql = replace(sql, '{was}', '{becomes}') WHERE {where}",
                f"UPDATE sqlite_schema SET rootpage = {self.rng.randint(0, 6)} WHERE {where}",
                f"UPDATE sqlite_schema SET rootpage = 7 - rootpage WHERE {where} OR name = 'events'",
                f"UPDATE sqlite_schema SET name = 'mine' WHERE {where}",
                f"UPDATE sqlite_schema SET type = 'view' WHERE {where}",
                f"UPDATE sqlite_schema SET sql = CAST(sql AS BLOB) WHERE {where}",
                f"UPDATE sqlite_schema SET sql = sql || char(0) || 'x' WHERE {where}",
                f"DELETE FROM sqlite_schema WHERE {where}",
                f"INSERT INTO sqlite_schema SELECT * FROM sqlite_schema WHERE {where}",
                (
                    "INSERT INTO sqlite_schema VALUES ('trigger', 't', 'records', 0, 'CREATE TRIGGER t AFTER "
                    "DELETE ON records BEGIN INSERT INTO records VALUES (old.id, old.version, "
                    "old.wrapped_key, old.sealed); END')"
                ),
            )
        )
        again = self.rng.choice(("", "; PRAGMA schema_version = 99"))
        return f"PRAGMA writable_schema = ON; {change}{again}"

    def _pragma(self) -> str:
        return self.rng.choice(
            (
                f"PRAGMA user_version = {self.rng.choice((0, 1, 2, -1, 99))}",
                f"PRAGMA application_id = {self.rng.randrange(99)}",
                f"PRAGMA schema_version = {self.rng.randrange(99)}",
                "PRAGMA auto_vacuum = FULL; VACUUM",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM",
                "PRAGMA journal_mode = DELETE; PRAGMA encoding = 'UTF-16'; VACUUM",
                "PRAGMA wal_checkpoint(TRUNCATE)",
                "VACUUM",
            )
        )

    def _of(self, table: str) -> str:
        return self.rng.choice(COLUMNS[table])

    def _conflict(self) -> str:
        return self.rng.choice(("IGNORE", "REPLACE", "ABORT"))

    def _condition(self, table: str | None = None) -> str:
        if table is None:
            return self.rng.choice(("1", "0", "random() > 0"))
        column = COLUMNS[table][0]
        return self.rng.choice(
            (
                "1",
                "random() > 0",
                f"{column} = (SELECT min({column}) FROM {table})",
                f"{column} = (SELECT max({column}) FROM {table})",
            )
        )

    def _value(self) -> str:
        return self.rng.choice(
            (
                "0",
                "-1",
                "NULL",
                "x''",
                "'text'",
                "randomblob(16)",
                "zeroblob(60)",
                "9223372036854775807",
                "1.5",
            )
        )

    # ---- by bytes ----

    def pages(self, file: Path, pages_of: Callable[[Path], bytes]) -> None:
        """Change a database by its bytes."""
        content = bytearray(file.read_bytes())
        if not content:
            return
        for _ in range(self.rng.randint(1, 3)):
            self._page(content, pages_of)
        file.write_bytes(content)

    def _page(self, content: bytearray, pages_of: Callable[[Path], bytes]) -> None:
        rng = self.rng
        count = max(1, len(content) // PAGE)
        at = rng.randrange(count) * PAGE
        header = at + (100 if at == 0 else 0)
        match rng.randrange(11):
            case 0:  # a bit
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            case 1:  # a field of the file's header
                offset = rng.choice(
                    (16, 18, 19, 20, 21, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 92, 96)
                )
                content[offset : offset + 4] = rng.choice((bytes(4), rng.randbytes(4), b"\0\0\0\3"))
            case 2:  # a field of a page's header: its kind, first free block, cells, where they begin
                offset = header + rng.randrange(12)
                content[offset : offset + 1] = rng.choice((b"\0", b"\2", b"\5", b"\x0a", b"\x0d", b"\xff"))
            case 3:  # a pointer to a cell
                offset = header + 8 + 2 * rng.randrange(8)
                content[offset : offset + 2] = struct.pack(">H", rng.randrange(PAGE))
            case 4:  # one page in place of another
                other = rng.randrange(count) * PAGE
                content[at : at + PAGE] = content[other : other + PAGE]
            case 5:  # a page of an older state
                old = pages_of(rng.choice(self.spoils.older))
                other = rng.randrange(max(1, len(old) // PAGE)) * PAGE
                content[at : at + PAGE] = old[other : other + PAGE]
            case 6:  # the same page of an older state
                old = pages_of(rng.choice(self.spoils.older))
                content[at : at + PAGE] = old[at : at + PAGE].ljust(PAGE, b"\0")
            case 7:  # another page on the list of free ones
                content[32:40] = struct.pack(">II", rng.randrange(1, count + 2), rng.randrange(1, 3))
            case 8:  # cut off, or longer
                del content[rng.randrange(len(content)) :]
                content.extend(rng.choice((b"", bytes(PAGE), rng.randbytes(100))))
                content.extend(bytes(max(0, 100 - len(content))))
            case 9:  # some bytes of a cell
                offset = at + rng.randrange(PAGE - 16)
                content[offset : offset + 8] = rng.randbytes(8)
            case _:  # pointers in another order: what is looked for is not found, what is read is all there
                cells = header + 8
                a, b = cells + 2 * rng.randrange(4), cells + 2 * rng.randrange(4)
                content[a : a + 2], content[b : b + 2] = content[b : b + 2], content[a : a + 2]

    def log(self, place: Path, pages_of: Callable[[Path], bytes]) -> None:
        """Leave a write-ahead log: of an older state, of a changed one, or of rubbish."""
        database = (place / "vault.db").read_bytes()
        match self.rng.randrange(4):
            case 0:
                content = (place / "vault.db-wal").read_bytes() if (place / "vault.db-wal").exists() else b""
                changed = bytearray(content or bytes(32))
                for _ in range(self.rng.randint(1, 4)):
                    changed[self.rng.randrange(len(changed))] ^= 1 << self.rng.randrange(8)
                content = bytes(changed)
            case 1:
                content = self.rng.randbytes(self.rng.choice((0, 32, 56, PAGE + 56)))
            case 2:
                content = write_ahead(database, pages_of(self.rng.choice(self.spoils.older)), self.rng)
            case _:
                changed = bytearray(database)
                for _ in range(self.rng.randint(1, 3)):
                    self._page(changed, pages_of)
                content = write_ahead(database, bytes(changed), self.rng)
        (place / "vault.db-wal").write_bytes(content)

    # ---- the epoch, and files as a whole ----

    def epoch(self, place: Path) -> None:
        """Change the file that remembers the epoch."""
        file = place / "epoch"
        ours = file.read_bytes()
        older = (self.rng.choice(self.spoils.older) / "epoch").read_bytes()
        other = (self.spoils.other / "epoch").read_bytes()
        match self.rng.randrange(7):
            case 0:
                file.unlink()
            case 1:
                file.write_bytes(older)
            case 2:
                file.write_bytes(other)
            case 3:
                file.write_bytes(self.rng.choice((ours + older, older + ours, older + other, ours * 3)))
            case 4:
                number, _, rest = ours.partition(b" ")
                file.write_bytes(b"%d " % (int(number) + self.rng.choice((-1, 1, 1 << 62))) + rest)
            case 5:
                file.write_bytes(self.rng.choice((b"", b"\n", ours[:-1], b"0" + ours, ours.upper())))
            case _:
                changed = bytearray(ours)
                changed[self.rng.randrange(len(changed))] ^= 1 << self.rng.randrange(8)
                file.write_bytes(changed)
        if file.exists():
            file.chmod(0o600)

    def exchange(self, place: Path) -> None:
        """Put another database in place of this one: an older, another vault's, an empty one."""
        wal = place / "vault.db-wal"
        source = self.rng.choice((*self.spoils.older, self.spoils.other))
        match self.rng.randrange(4):
            case 0:
                (place / "vault.db").write_bytes(b"")
                wal.unlink(missing_ok=True)
            case 1:
                (place / "vault.db").unlink()
            case _:
                shutil.copyfile(source / "vault.db", place / "vault.db")
                wal.unlink(missing_ok=True)


def _schema(connection: apsw.Connection) -> list[tuple[object, ...]]:
    return list(connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM main.sqlite_schema"))


def write_ahead(before: bytes, after: bytes, rng: random.Random) -> bytes:
    """A write-ahead log that turns one database into another, with checksums that are right."""
    salt = rng.randbytes(8)
    header = struct.pack(">IIII", 0x377F0682, 3007000, PAGE, 0) + salt
    sums = _summed(header, (0, 0))
    content = header + struct.pack(">II", *sums)
    pages = len(after) // PAGE
    changed = [
        page
        for page in range(pages)
        if before[page * PAGE : (page + 1) * PAGE] != after[page * PAGE : (page + 1) * PAGE]
    ]
    for page in changed:
        data = after[page * PAGE : (page + 1) * PAGE]
        start = struct.pack(">II", page + 1, pages if page == changed[-1] else 0)
        sums = _summed(start + data, sums)
        content += start + salt + struct.pack(">II", *sums) + data
    return content


def _summed(data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"<{len(data) // 4}I", data)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
