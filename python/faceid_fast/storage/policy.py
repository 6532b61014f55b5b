"""The policy of a store: the least that every program which opens it must ask. Pure.

A program may be stricter, never milder. The policy is part of the store's security state: authenticated with
it, changed with the credential, and read anew at every attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, Self

from faceid_fast.checks import checked_choice, checked_flag
from faceid_fast.errors import InvalidInputError

MAX_CAMERAS: Final = 64
MAX_ORIGIN_CHARS: Final = 200


class Policy(StrEnum):
    """When the credential is asked for.

    ``DEFAULT``: only after too many failures. ``DOOR``: also when
    `faceid_fast.access.credential_policy.why_credential` gives a reason.
    """

    DEFAULT = "default"
    DOOR = "door"


class Mode(StrEnum):
    """When adapted references are admitted, from the strictest on."""

    NEVER = "never"
    CONFIRMED = "confirmed"
    ANCHORED = "anchored"


class Enrolling(StrEnum):
    """Who may add references: ``ANYBODY`` with the key, or whoever shows the ``CREDENTIAL``."""

    ANYBODY = "anybody"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPolicy:
    """The least that every program which opens a vault must ask.

    Parameters
    ----------
    credential : "default" or "door"
        When the credential is asked for, at least.
    lockout : bool
        Whether every program counts failures. False: a program may leave it out (`lockout=False`).
    diagnostics : bool
        Whether programs may see distances and who is nearest (`diagnostics=True`), and draw maps.
    adaptation : "never", "confirmed" or "anchored"
        The mildest rule by which programs may admit adapted references.
    parts : bool
        Whether programs may replace the aligner, the embedder or the liveness check by their own, or lower a
        limit of liveness.
    turns : bool
        Whether programs may try frames in other turns (`try_turns`).
    unproven : bool
        Whether frames that no camera vouches for may unlock: files, and frames that a program made itself.
    cameras : tuple of str
        The cameras whose frames may unlock, each as `faceid_fast.Capture.source` names it; empty: every one.
        Needs ``unproven=False``.
    enrolling : "anybody" or "credential"
        Who may add references.

    Raises
    ------
    InvalidInputError
        If a value is not as above.
    """

    credential: Policy = Policy.DEFAULT
    lockout: bool = True
    diagnostics: bool = False
    adaptation: Mode = Mode.ANCHORED
    parts: bool = False
    turns: bool = True
    unproven: bool = True
    cameras: tuple[str, ...] = ()
    enrolling: Enrolling = Enrolling.ANYBODY

    def __post_init__(self) -> None:
        """Check every value, and make texts the members of their enums."""
        for name, kind in _CHOICES.items():
            object.__setattr__(self, name, checked_choice(f"policy.{name}", getattr(self, name), kind))
        for name in _FLAGS:
            checked_flag(f"policy.{name}", getattr(self, name))
        object.__setattr__(self, "cameras", _checked_cameras(self.cameras))
        if self.cameras and self.unproven:
            message = "policy.cameras: expected unproven=False with pinned cameras, got unproven=True"
            raise InvalidInputError(message)

    @classmethod
    def for_doors(cls) -> Self:
        """Return the policy for a lock: the credential after idle days, live cameras only, no adaptation."""
        return cls(
            credential=Policy.DOOR,
            adaptation=Mode.NEVER,
            unproven=False,
            enrolling=Enrolling.CREDENTIAL,
        )

    @classmethod
    def permissive(cls) -> Self:
        """Return the policy of a store that ends with its program: whatever the program chooses."""
        return cls(lockout=False, diagnostics=True, parts=True)

    def to_record(self) -> dict[str, Any]:
        """Return the fields that differ from the default policy, as JSON has them."""
        usual = type(self)()
        record = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if getattr(self, entry.name) != getattr(usual, entry.name)
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read the fields that `to_record` returns.

        Raises
        ------
        InvalidInputError
            If they are others.
        """
        known = {entry.name for entry in fields(cls)}
        if not isinstance(record, dict) or not set(record) <= known:
            message = "policy: expected the fields of a policy, got others"
            raise InvalidInputError(message)
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
        }
        return cls(**given)

    def changed(self, changes: Mapping[str, Any]) -> VaultPolicy:
        """Return the policy with other values for some fields, by their names.

        Raises
        ------
        InvalidInputError
            If there is no such field, or a value is not one of its.
        """
        known = [entry.name for entry in fields(self)]
        if not isinstance(changes, Mapping):
            message = f"changes: expected a mapping of fields to values, got {type(changes).__name__}"
            raise InvalidInputError(message)
        if unknown := [name for name in changes if name not in known]:
            message = f"policy: expected {', '.join(known)}, got {unknown[0]!a:.80}"
            raise InvalidInputError(message)
        return replace(self, **changes)

    def difference(self, other: VaultPolicy) -> str:
        """Say what changes from this policy to another one, for the log: "lockout=false, turns=false"."""
        return ", ".join(
            f"{entry.name}={written(getattr(other, entry.name))}"
            for entry in fields(self)
            if getattr(self, entry.name) != getattr(other, entry.name)
        )

    def __str__(self) -> str:
        """All fields, as they are written on the command line."""
        return ", ".join(f"{entry.name}={written(getattr(self, entry.name))}" for entry in fields(self))


_CHOICES: Final[Mapping[str, type[StrEnum]]] = {
    "credential": Policy,
    "adaptation": Mode,
    "enrolling": Enrolling,
}
_FLAGS: Final = ("lockout", "diagnostics", "parts", "turns", "unproven")


def _checked_cameras(value: object) -> tuple[str, ...]:
    wanted = f"policy.cameras: expected a tuple of at most {MAX_CAMERAS} names of cameras"
    if not isinstance(value, (tuple, list)) or len(value) > MAX_CAMERAS:
        given = len(value) if isinstance(value, (tuple, list)) else type(value).__name__
        message = f"{wanted}, got {given}"
        raise InvalidInputError(message)
    for each in value:
        if not isinstance(each, str) or not 0 < len(each) <= MAX_ORIGIN_CHARS or not each.isprintable():
            message = (
                f"{wanted} of 1 to {MAX_ORIGIN_CHARS} printable characters, such as 'realsense:012345', "
                f"got {f'{each!a:.80}' if isinstance(each, str) else type(each).__name__}"
            )
            raise InvalidInputError(message)
    return tuple(value)


def written(value: object) -> str:
    """Write the value of a field as `read_setting` reads it."""
    if isinstance(value, tuple):
        return "|".join(value) or "any"
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_setting(name: str, text: str) -> object:
    """Read the value of a field from text; of a kind that the field does not take, if it is none of its.

    Parameters
    ----------
    name : of the field.
    text : "true" or "false"; names of cameras, joined by ``|``, or "any".
    """
    if name == "cameras":
        return () if text == "any" else tuple(text.split("|"))
    return {"true": True, "false": False}.get(text, text)
