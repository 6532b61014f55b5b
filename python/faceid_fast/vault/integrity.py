"""Errors for a damaged or rolled-back vault; their messages never quote what was found."""

from __future__ import annotations

from enum import StrEnum

from faceid_fast.errors import VaultDamagedError, VaultRolledBackError


class Part(StrEnum):
    """A part of a vault that can be damaged."""

    DATABASE = "the database"
    EPOCH = "the epoch file"
    LEDGER = "the ledger"
    LOG = "the log"
    MANIFEST = "the list of records"
    NAMES = "the names"
    RECORD = "a record"
    SCHEMA = "the schema of the database"
    STATE_FILE = "the state file"


def damaged(what: Part) -> VaultDamagedError:
    """Make the error for a part that differs from what was written."""
    return VaultDamagedError(
        f"vault: expected {what} as it was written, got something else: it was changed, exchanged or cut "
        "off. Restore a backup, or enrol everybody anew in another directory"
    )


def rolled_back() -> VaultRolledBackError:
    """Make the error for a vault that was replaced by an older state."""
    return VaultRolledBackError(
        "vault: expected the newest state, got an older one: somebody has put back old files, and with "
        "them whoever had been removed. Restore all of a backup, or enrol anew in another directory"
    )
