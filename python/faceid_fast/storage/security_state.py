"""What is remembered of attempts, credentials and thresholds, besides everybody's references. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from faceid_fast.calibration.evidence import MeasuredThreshold

from .audit import Event

_FIELDS: Final = {"tallies", "presence", "credential"}
_ADOPTED: Final = "adopted"
"""Written only where there is something: what has adopted nothing is what it was before there was this."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures in a row, of a person who was claimed or of the device.

    Attributes
    ----------
    failures : how many.
    boot_id : of the start of the computer that `since_s` counts from.
    since_s : when the last failure was counted, or its lock began.
    told : whether the lock has refused anybody yet.
    """

    failures: int
    boot_id: str
    since_s: float
    told: bool = False


Tallies = Mapping[str, Tally]
"""By person, or `faceid_fast.access.lockout.DEVICE`; who is not in it has no failures."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Since when it has been known who is there.

    Attributes
    ----------
    boot_id : of the start of the computer that the times count from.
    credential_s : when the credential was shown last, in seconds since then.
    accepted_s : when a face was accepted last; before any was, the same.
    """

    boot_id: str
    credential_s: float
    accepted_s: float


@dataclass(frozen=True, slots=True, repr=False)
class SecurityState:
    """A store's small memory, written anew with every attempt.

    Attributes
    ----------
    tallies : failures in a row.
    presence : None if the credential has not been shown since somebody's references changed.
    credential : what tells whether a credential is the right one, not the credential itself; None if none is
        set, see :mod:`faceid_fast.access.credential`.
    adopted : thresholds in place of the model's, with their evidence; one a modality at most.
    """

    tallies: Tallies = field(default_factory=lambda: MappingProxyType({}))
    presence: Presence | None = None
    credential: str | None = None
    adopted: tuple[MeasuredThreshold, ...] = ()

    def __repr__(self) -> str:
        """Say what it is, not who failed, nor how a credential hashes."""
        return f"<SecurityState of {len(self.tallies)} counts>"

    def without(self, identity: str) -> SecurityState:
        """The same, of somebody who has been removed nothing."""
        return replace(self, tallies=cleared(self.tallies, (identity,)))

    def encode(self) -> bytes:
        """Turn it into bytes."""
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
            content[_ADOPTED] = [asdict(each) for each in self.adopted]
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, content: bytes) -> SecurityState:
        """Turn it back; ValueError, TypeError or AttributeError if the bytes are others."""
        record = json.loads(content.decode())
        _demand(isinstance(record, dict) and set(record) - {_ADOPTED} == _FIELDS)
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
        adopted = tuple(MeasuredThreshold.from_record(each) for each in record.get(_ADOPTED, ()))
        _demand(len({each.modality for each in adopted}) == len(adopted))
        return cls(MappingProxyType(tallies), presence, record["credential"], adopted)


Amend = Callable[[SecurityState], tuple[SecurityState, tuple[Event, ...]]]
"""Makes a security state of another, and says what belongs into the log; the very one given: no change."""


def cleared(tallies: Tallies, keys: tuple[str, ...]) -> Tallies:
    """Forget failures."""
    return MappingProxyType({key: tally for key, tally in tallies.items() if key not in keys})


def tallies_with(state: SecurityState, tallies: Mapping[str, Tally]) -> SecurityState:
    """The same with other counts; itself if they are the same."""
    return state if tallies == state.tallies else replace(state, tallies=tallies)


def _finite(value: Any) -> float:  # noqa: ANN401  # as JSON has it
    _demand(isinstance(value, (int, float)) and math.isfinite(value))
    return float(value)


def _demand(right: bool) -> None:  # noqa: FBT001  # what it asserts
    if not right:
        message = "not what a security state is written as"
        raise ValueError(message)
