"""The security state of a store: its policy, counts of failures, the credential, adopted thresholds. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from faceid_fast.calibration.evidence import MeasuredThreshold

from .audit import Event
from .pinned_model import PinnedModel
from .policy import VaultPolicy

_FIELDS: Final = {"tallies", "presence", "credential"}
_OPTIONAL: Final = {"adopted", "model", "policy", "used"}
"""Written only if there is something in them: otherwise the bytes are those of formats without these fields.
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """The count of failures in a row of one key: a claimed identity, the device or the credential.

    Attributes
    ----------
    failures : number of failures.
    boot_id : id of the start of the computer that `since_s` counts from.
    since_s : time of the last failure, or of the start of its lock, in seconds since that start.
    told : whether the lock has refused an attempt yet.
    """

    failures: int
    boot_id: str
    since_s: float
    told: bool = False


Tallies = Mapping[str, Tally]
"""Counts by name, `faceid_fast.access.lockout.DEVICE` or ``CREDENTIAL``; a missing key has no failures."""


@dataclass(frozen=True, slots=True)
class Presence:
    """When the credential was shown and a face was accepted last.

    Attributes
    ----------
    boot_id : id of the start of the computer that the times count from.
    credential_s : when the credential was shown last, in seconds since that start.
    accepted_s : when a face was accepted last, likewise; equal to `credential_s` if none was since.
    """

    boot_id: str
    credential_s: float
    accepted_s: float


class UsedFrame(NamedTuple):
    """A live frame that an attempt has used, and that no other one may use.

    Attributes
    ----------
    digest : of its content and its capture, hexadecimal.
    at_s : when it was captured, seconds since the start of the computer.
    """

    digest: str
    at_s: float


class Rules(NamedTuple):
    """What decides who is let in, besides references: it changes only with an `Authority`."""

    policy: VaultPolicy = VaultPolicy()  # it cannot be changed
    adopted: tuple[MeasuredThreshold, ...] = ()
    model: PinnedModel | None = None


@dataclass(frozen=True, slots=True, repr=False)
class SecurityState:
    """Everything that a store keeps besides references and the log; every charged attempt writes it.

    Attributes
    ----------
    tallies : counts of failures.
    presence : None if the credential has not been shown since anybody's references changed.
    credential : hash of the credential, see :mod:`faceid_fast.access.credential`; None if none is set.
    adopted : thresholds that replace the model's, with their evidence; at most one for each modality.
    policy : the least that every program must ask.
    used : the live frames of the last seconds that were used.
    model : the network in the picture's place, which nobody is compared without; None: the bundled one.
    """

    tallies: Tallies = field(default_factory=lambda: MappingProxyType({}))
    presence: Presence | None = None
    credential: str | None = None
    adopted: tuple[MeasuredThreshold, ...] = ()
    policy: VaultPolicy = field(default_factory=VaultPolicy)
    used: tuple[UsedFrame, ...] = ()

    model: PinnedModel | None = None

    @property
    def rules(self) -> Rules:
        """What decides who is let in, besides references."""
        return Rules(self.policy, self.adopted, self.model)

    def __repr__(self) -> str:
        """The number of counts; no names and no hash."""
        return f"<SecurityState of {len(self.tallies)} counts>"

    def without(self, identity: str) -> SecurityState:
        """Return the same state without the count of a person who was removed."""
        return replace(self, tallies=cleared(self.tallies, (identity,)))

    def encode(self) -> bytes:
        """Return the state as bytes."""
        tallies = {
            key: [tally.failures, tally.boot_id, tally.since_s, tally.told]
            for key, tally in self.tallies.items()
        }
        seen = self.presence
        content: dict[str, Any] = {
            "tallies": tallies,
            "presence": None if seen is None else [seen.boot_id, seen.credential_s, seen.accepted_s],
            "credential": self.credential,
        }
        if self.adopted:
            content["adopted"] = [each.to_record() for each in self.adopted]
        if record := self.policy.to_record():
            content["policy"] = record
        if self.used:
            content["used"] = self.used
        if self.model is not None:
            content["model"] = self.model.to_record()
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, content: bytes) -> SecurityState:
        """Read a state from the bytes of `encode`; ValueError, TypeError or AttributeError for any others."""
        record = json.loads(content.decode())
        _demand(isinstance(record, dict) and set(record) - _OPTIONAL == _FIELDS)
        tallies = {}
        for key, (failures, boot_id, since_s, told) in record["tallies"].items():
            _demand(isinstance(failures, int) and failures >= 0 and isinstance(boot_id, str))
            _demand(isinstance(told, bool))
            tallies[key] = Tally(failures, boot_id, _finite(since_s), told)
        presence = None
        if record["presence"] is not None:
            boot_id, credential_s, accepted_s = record["presence"]
            _demand(isinstance(boot_id, str))
            presence = Presence(boot_id, _finite(credential_s), _finite(accepted_s))
        _demand(record["credential"] is None or isinstance(record["credential"], str))
        adopted = tuple(MeasuredThreshold.from_record(each) for each in record.get("adopted", ()))
        _demand(len({each.modality for each in adopted}) == len(adopted))
        policy = VaultPolicy.from_record(record.get("policy", {}))
        used = tuple(UsedFrame(digest, _finite(at_s)) for digest, at_s in record.get("used", ()))
        _demand(all(isinstance(each.digest, str) for each in used))
        model = PinnedModel.from_record(record["model"]) if "model" in record else None
        return cls(MappingProxyType(tallies), presence, record["credential"], adopted, policy, used, model)


Amend = Callable[[SecurityState], tuple[SecurityState, tuple[Event, ...]]]
"""Gets a security state and returns the next one (the same object: no change) with events for the log."""


def cleared(tallies: Tallies, keys: tuple[str, ...]) -> Tallies:
    """Return the counts without those of some keys."""
    return MappingProxyType({key: tally for key, tally in tallies.items() if key not in keys})


def tallies_with(state: SecurityState, tallies: Mapping[str, Tally]) -> SecurityState:
    """Return the state with other counts; the same object if these are equal."""
    return state if tallies == state.tallies else replace(state, tallies=tallies)


def _finite(value: Any) -> float:  # noqa: ANN401  # as JSON has it
    _demand(isinstance(value, (int, float)) and math.isfinite(value))
    return float(value)


def _demand(right: bool) -> None:  # noqa: FBT001  # what it asserts
    if not right:
        message = "not what a security state is written as"
        raise ValueError(message)
