"""Frame in, decision out: locate and align, liveness, embed, match, decide."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from . import liveness
from .embed import Embedder
from .enrollment import Enrollment, RejectedFrame, pose_name, strangers, summarise
from .errors import InvalidInputError, ModelContractError, ModelError, UnknownIdentityError
from .face import FaceAligner, NoFace
from .frame import MODALITIES, Frame
from .guard import Guard, why
from .lockout import DEVICE, SPOOF_WEIGHT
from .outcome import Outcome
from .policy import Decision, accepts, check_threshold
from .roster import Roster
from .store import InMemoryStore, References, check_identity, unknown_identity

if TYPE_CHECKING:
    from .face import FaceCrop
    from .store import ReferenceStore

MAX_REFERENCES: Final = 64
"""References a person may have; every one is one more chance for a stranger to be near."""
MAX_FRAMES: Final = 1024
"""Frames in one call; an iterator may be endless."""
_ODD: Final = "unlike every other reference"


class Authenticator:
    """Enrols people, and decides whether a frame shows one of them. Safe to share by threads.

    A frame is compared only with references of its own modality: how near infrared and colour of one
    person are has not been measured, so no threshold holds for them.

    Parameters
    ----------
    store : ReferenceStore, optional
        Where references live. By default in memory: nothing is written to disk, and everybody is
        forgotten with the process. `Authenticator.open` keeps them in an encrypted vault. What others
        change in the store, `verify` and `identify` see with the next frame.
    aligner : FaceAligner, optional
        By default the bundled one.
    embedder : Embedder, optional
        By default the bundled one.
    threshold : float, optional
        Largest distance to accept, Euclidean between unit vectors, in [0, 2), for frames of every
        modality. By default those that the model's contract suggests, one for each modality.
    lockout : bool
        Whether failures are counted, and too many of them lock, see :mod:`faceid_fast.lockout`. Every call
        of `verify` and `identify` is an attempt: ask once for each time that somebody shows their face.
    diagnostics : bool
        Whether decisions carry distances. Leave it off wherever a caller could be an attacker: a
        few hundred returned distances reveal a template.

    Raises
    ------
    ModelError
        If a bundled model is missing or damaged, or references in the store were made with another
        model than the embedder's.
    ModelContractError
        If the embedder's model was trained for another head model than the aligner's.
    InvalidInputError
        If the threshold is not usable, or an argument is of another type.
    """

    def __init__(
        self,
        *,
        store: ReferenceStore | None = None,
        aligner: FaceAligner | None = None,
        embedder: Embedder | None = None,
        threshold: float | None = None,
        lockout: bool = True,
        diagnostics: bool = False,
    ) -> None:
        _check_parts(store, aligner, embedder, {"lockout": lockout, "diagnostics": diagnostics})
        self._store = InMemoryStore() if store is None else store
        self._aligner = FaceAligner.bundled() if aligner is None else aligner
        self._embedder = Embedder.bundled() if embedder is None else embedder
        contract = self._embedder.contract
        limits = contract.thresholds if threshold is None else dict.fromkeys(MODALITIES, threshold)
        self._thresholds = MappingProxyType({name: check_threshold(at) for name, at in limits.items()})
        wanted, given = contract.preprocessing["head_model_sha256"], self._aligner.head_model_sha256
        if given != wanted:
            message = (
                f"aligner: expected the head model {wanted}, which the model was trained for, got {given}"
            )
            raise ModelContractError(message)
        self._guard = Guard(self._store) if lockout else None
        self._diagnostics = diagnostics
        self._changing = threading.Lock()  # one change at a time; searches never wait for it
        self._showing = threading.Lock()
        self._roster = Roster(contract.embedding_size)
        self._shown: dict[str, References | None] = {}  # None: who knows, an error came in between
        self._seen: object = None
        self._refresh()

    @classmethod
    def open(
        cls,
        directory: str | Path | None = None,
        *,
        key: bytes | None = None,
        aligner: FaceAligner | None = None,
        embedder: Embedder | None = None,
        threshold: float | None = None,
        lockout: bool = True,
        diagnostics: bool = False,
    ) -> Authenticator:
        """Make one whose references are kept in an encrypted vault; see `faceid_fast.vault.Vault.open`.

        Parameters
        ----------
        directory : of the vault, made if it is missing; by default ``$XDG_DATA_HOME/faceid``, else
            ``~/.local/share/faceid``.
        key : 32 bytes; by default found as the vault describes.
        aligner, embedder, threshold, lockout, diagnostics : as for `Authenticator`.

        Raises
        ------
        VaultError
            If the vault cannot be opened, or is not as it was left.
        """
        from .vault import Vault  # noqa: PLC0415  # SQLite and cryptography, for those who need them

        return cls(
            store=Vault.open(directory, key=key),
            aligner=aligner,
            embedder=embedder,
            threshold=threshold,
            lockout=lockout,
            diagnostics=diagnostics,
        )

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Largest distance that is accepted, Euclidean between unit vectors, by the frame's modality."""
        return self._thresholds

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""
        return self._store.identities()

    def enroll(
        self, identity: str, frames: Frame | Iterable[Frame], *, leave_out_strangers: bool = False
    ) -> Enrollment:
        """Add references of a person; a first call makes the person known.

        Frames that cannot be used are reported one by one, never dropped silently. If none can be
        used, nothing changes. If anything raises, nothing changes.

        Parameters
        ----------
        identity : str
            1 to 200 printable characters, in Unicode's composed form (NFC).
        frames : Frame or iterable of Frame
            A few, best looking straight, left, right, up and down; at most `MAX_FRAMES`.
        leave_out_strangers : bool
            Whether a frame that no other reference would accept is refused (NO_MATCH): it may show somebody
            else. By default it is taken, with a warning: of few frames, a turned head is often unlike the
            others.

        Returns
        -------
        Enrollment
            What was taken, what was refused and why, which poses are missing.

        Raises
        ------
        InvalidInputError
            If the name or a frame is not usable as such, there is no frame or more than `MAX_FRAMES`, or the
            person would get more than `MAX_REFERENCES` references.
        ModelError
            If the model fails, or the store holds references of this person by another model.
        """
        check_identity(identity)
        _check_flag("leave_out_strangers", leave_out_strangers)
        given = _as_frames(frames)
        looks = [self._look(frame, _Attempt(self._limit_of(frame))) for frame in given]
        crops: list[FaceCrop] = []
        places: list[int] = []
        rejected: list[RejectedFrame] = []
        for index, look in enumerate(looks):
            if isinstance(look, NoFace):
                rejected.append(RejectedFrame(index, look.outcome, look.reasons))
            else:
                crops.append(look)
                places.append(index)
        fresh = self._embedder.embed(np.stack([crop.tensor for crop in crops])) if crops else None
        seen = tuple(frame.modality for frame in given)
        with self._changing:
            before = self._kept(identity)
            after = before
            if fresh is None:
                self._refresh()
            else:
                taken = References(
                    identity,
                    fresh,
                    tuple(pose_name(crop.pose) for crop in crops),
                    tuple(seen[place] for place in places),
                    self._embedder.sha256,
                )
                after = taken if before is None else before.joined(taken)
                if leave_out_strangers and (odd := strangers(after, places, self._thresholds)):
                    rejected += [RejectedFrame(place, Outcome.NO_MATCH, (_ODD,)) for place in odd]
                    after = _without(after, places, odd)
                    places = [place for place in places if place not in odd]
                if after is not None and places:
                    self._exchange(identity, before, _limited(after))
        poses = () if after is None else zip(after.poses, after.modalities, strict=True)
        return summarise(
            identity,
            [pose for pose, modality in poses if modality in seen],
            accepted=len(places),
            references=0 if after is None else len(after.vectors),
            rejected=sorted(rejected, key=lambda frame: frame.index),
            warnings=[
                *(
                    f"frame {place} is {_ODD}: is it the same person, held still?"
                    for place in strangers(after, places, self._thresholds)
                ),
                *(
                    f"as near to {other!a} as frames of one person are: enrolled twice, or two people alike?"
                    for other in self._alike(after)
                ),
            ],
        )

    def verify(self, frame: Frame, identity: str) -> Decision:
        """Decide whether a frame shows the person it claims to show (1:1).

        With no reference of the frame's modality the outcome is NO_MATCH, with a reason that says so.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        InvalidInputError
            If `frame` is not a Frame or the name is not a usable one.
        """
        attempt = _Attempt(self._limit_of(frame))
        self._refresh()
        gallery = self._roster.of(frame.modality)
        if check_identity(identity) not in gallery:
            if identity not in self._roster:
                raise unknown_identity(identity)
            reason = f"there is no {frame.modality} reference to compare with: enrol with such frames too"
            return self._decision(Outcome.NO_MATCH, identity, None, (reason,), attempt)
        charged_to = (identity, DEVICE)
        query = self._query(frame, attempt, charged_to)
        if isinstance(query, NoFace):
            return self._decision(query.outcome, identity, None, query.reasons, attempt)
        self._refresh()  # who was removed meanwhile is not let in
        distance = gallery.distance_to(identity, query)
        attempt.lap("match")
        return self._judge(identity, distance, attempt, charged_to)

    def identify(self, frame: Frame) -> Decision:
        """Decide whether a frame shows anybody enrolled, and whom (1:N).

        With nobody enrolled with frames of this modality the outcome is NOT_ENROLLED.

        Raises
        ------
        InvalidInputError
            If `frame` is not a Frame.
        """
        attempt = _Attempt(self._limit_of(frame))
        self._refresh()
        gallery = self._roster.of(frame.modality)
        if len(gallery) == 0:
            reason = f"nobody is enrolled with {frame.modality} frames"
            return self._decision(Outcome.NOT_ENROLLED, None, None, (reason,), attempt)
        query = self._query(frame, attempt, (DEVICE,))
        if isinstance(query, NoFace):
            return self._decision(query.outcome, None, None, query.reasons, attempt)
        self._refresh()
        nearest: str | None = gallery.best_identity(query).names.item()
        try:
            # Unrounded: a distance just beyond the threshold must not be rounded into it.
            distance = np.inf if nearest is None else gallery.distance_to(nearest, query)
        except UnknownIdentityError:  # removed since
            nearest, distance = None, np.inf
        attempt.lap("match")
        return self._judge(nearest, distance, attempt, (DEVICE,), claimed=False)

    def remove(self, identity: str) -> None:
        """Forget a person. Once this returns, nothing accepts them.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        check_identity(identity)
        with self._changing:
            try:
                self._store.remove(identity)
            finally:
                self._refresh()

    def unlock(self, identity: str | None = None) -> None:
        """Forget failures: call it once somebody has shown a credential that is not their face.

        Parameters
        ----------
        identity : whose failures, those of the device included; None: everybody's.
        """
        if self._guard:
            self._guard.clear(None if identity is None else (check_identity(identity), DEVICE))

    def _limit_of(self, frame: Frame) -> float:
        """Threshold for a frame; fails closed where none is known for its modality."""
        modality = _checked(frame).modality
        if modality not in self._thresholds:
            message = (
                f"frame: expected {' or '.join(self._thresholds)}, which the model has a threshold for, "
                f"got {modality}; or choose one: Authenticator(threshold=...)"
            )
            raise InvalidInputError(message)
        return self._thresholds[modality]

    def _exchange(self, identity: str, before: References | None, after: References) -> None:
        """Store references and let searches find them; if anything raises, nothing changes."""
        self._store.put(after)
        try:
            self._refresh()
        except BaseException:
            if before is None:
                self._store.remove(identity)
            else:
                self._store.put(before)
            self._refresh()
            raise

    def _refresh(self) -> None:
        """Let searches find what is in the store now, whoever changed it."""
        if self._store.revision() == self._seen:
            return
        with self._showing:
            # Asked before the snapshot: what is changed meanwhile is seen the next time.
            revision = self._store.revision()
            snapshot = self._store.snapshot()
            for identity in self._shown.keys() - snapshot.keys():
                self._roster.show(identity, None)
                del self._shown[identity]
            for identity, references in snapshot.items():
                if self._shown.get(identity) is not references:
                    self._shown[identity] = None
                    self._roster.show(identity, self._comparable(references))
                    self._shown[identity] = references
            self._seen = revision

    def _alike(self, references: References | None) -> list[str]:
        """Others who would be accepted as this person, sorted: a door opens for both of them."""
        found: set[str] = set()
        if references is not None:
            for modality, threshold in self._thresholds.items():
                if len(vectors := references.of(modality)):
                    found.update(self._roster.of(modality).within(vectors, threshold).names)
        return sorted(name for name in found if name not in {None, references and references.identity})

    def _kept(self, identity: str) -> References | None:
        """What the store has of a person, made with this model."""
        try:
            return self._comparable(self._store.get(identity))
        except UnknownIdentityError:
            return None

    def _comparable(self, references: References) -> References:
        """Return these references if this model made them."""
        if references.model_sha256 != self._embedder.sha256:
            message = (
                f"references of {references.identity!a}: expected those of the model "
                f"{self._embedder.sha256}, got those of {references.model_sha256}: enrol again"
            )
            raise ModelError(message)
        return references

    def _look(self, frame: Frame, attempt: _Attempt) -> FaceCrop | NoFace:
        """Find a live face."""
        crop = self._aligner.align(frame)
        attempt.lap("align")
        if isinstance(crop, NoFace):
            return self._explained(crop)
        verdict = liveness.check(crop)
        attempt.lap("liveness")
        if verdict.live:
            return crop
        return self._explained(NoFace(Outcome.SPOOF, verdict.reasons, verdict.relief_mm))

    def _explained(self, refusal: NoFace) -> NoFace:
        """Add the measured relief, for callers with diagnostics only."""
        if not self._diagnostics or refusal.relief_mm is None:
            return refusal
        figure = f"{refusal.relief_mm:.1f} mm from a plane, live from {liveness.MIN_RELIEF_MM:.1f} mm on"
        return replace(refusal, reasons=(*refusal.reasons, figure))

    def _query(
        self, frame: Frame, attempt: _Attempt, charged_to: tuple[str, ...]
    ) -> NDArray[np.float32] | NoFace:
        """Embed the live face of a frame, (D,) float32, once the guess has been charged."""
        if self._guard and (wait_s := self._guard.wait_s(charged_to)):
            return NoFace(Outcome.LOCKED_OUT, (why(wait_s),))
        look = self._look(frame, attempt)
        if isinstance(look, NoFace):
            if self._guard and look.outcome is Outcome.SPOOF:
                self._guard.charge(charged_to, SPOOF_WEIGHT)
            return look
        if self._guard:
            if wait_s := self._guard.charge(charged_to):
                return NoFace(Outcome.LOCKED_OUT, (why(wait_s),))
            attempt.lap("charge")
        vector: NDArray[np.float32] = self._embedder.embed(look.tensor[None])[0]
        if vector.ndim != 1:
            message = f"embedder: expected one vector for one face, got shape {vector.shape}"
            raise ModelError(message)
        attempt.lap("embed")
        return vector

    def _judge(
        self,
        identity: str | None,
        distance: float,
        attempt: _Attempt,
        charged_to: tuple[str, ...],
        *,
        claimed: bool = True,
    ) -> Decision:
        """Accept iff the distance says so."""
        if identity is not None and accepts(distance, attempt.threshold):
            if self._guard:
                self._guard.clear((*charged_to, identity))
                attempt.lap("refund")
            return self._decision(Outcome.ACCEPTED, identity, distance, (), attempt)
        shown = identity if claimed or self._diagnostics else None
        reason = "the face is not near enough to any reference"
        return self._decision(Outcome.NO_MATCH, shown, distance, (reason,), attempt)

    def _decision(
        self,
        outcome: Outcome,
        identity: str | None,
        distance: float | None,
        reasons: tuple[str, ...],
        attempt: _Attempt,
    ) -> Decision:
        return Decision(
            outcome=outcome,
            identity=identity,
            threshold=attempt.threshold,
            distance=distance if self._diagnostics else None,
            reasons=reasons,
            timings_ms=attempt.stop(),
        )


class _Attempt:
    """One frame on its way: how far a reference may be from it, and milliseconds per stage."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Book the time since the last lap under a stage."""
        now = time.perf_counter()
        self._laps[stage] = (now - self._last) * 1e3
        self._last = now

    def stop(self) -> dict[str, float]:
        """Laps so far, and the total."""
        return {**self._laps, "total": (time.perf_counter() - self._start) * 1e3}


def _check_parts(store: object, aligner: object, embedder: object, flags: Mapping[str, object]) -> None:
    """Refuse what cannot be a part of an authenticator; stand-ins may be."""
    for name, part, wanted, methods in (
        ("store", store, "a ReferenceStore", ("revision", "snapshot", "attempts", "put", "remove")),
        ("aligner", aligner, "a FaceAligner", ("align", "head_model_sha256")),
        ("embedder", embedder, "an Embedder", ("embed", "contract", "sha256")),
    ):
        if part is not None and (isinstance(part, type) or not all(hasattr(part, name) for name in methods)):
            message = f"{name}: expected {wanted}, got {type(part).__name__}"
            raise InvalidInputError(message)
    for name, flag in flags.items():
        _check_flag(name, flag)


def _check_flag(name: str, value: object) -> None:
    """Refuse what is only true or false by accident: `lockout=None` would count nothing."""
    if not isinstance(value, bool):
        message = f"{name}: expected True or False, got {type(value).__name__}"
        raise InvalidInputError(message)


def _as_frames(frames: Frame | Iterable[Frame]) -> list[Frame]:
    if isinstance(frames, Frame):
        return [frames]
    try:
        given = iter(frames)
    except TypeError:
        message = f"frames: expected a Frame or several, got {type(frames).__name__}"
        raise InvalidInputError(message) from None
    several: list[Frame] = []
    for frame in given:
        if len(several) == MAX_FRAMES:
            message = f"frames: expected at most {MAX_FRAMES} at once, got more"
            raise InvalidInputError(message)
        several.append(_checked(frame))
    if not several:
        message = "frames: expected at least one Frame, got none"
        raise InvalidInputError(message)
    return several


def _without(references: References, places: Sequence[int], odd: Sequence[int]) -> References | None:
    """References without those of some of the frames at `places`, the last ones; None if none is left."""
    first = len(references.vectors) - len(places)
    kept = [*range(first), *(first + i for i, place in enumerate(places) if place not in odd)]
    return references.rows(kept) if kept else None


def _limited(references: References) -> References:
    if (count := len(references.vectors)) > MAX_REFERENCES:
        message = f"frames: expected at most {MAX_REFERENCES} references for one person, got {count}"
        raise InvalidInputError(message)
    return references


def _checked(frame: object) -> Frame:
    if not isinstance(frame, Frame):
        message = f"frame: expected a Frame, got {type(frame).__name__}"
        raise InvalidInputError(message)
    return frame


_default: Authenticator | None = None
_creating_default = threading.Lock()


def default_authenticator() -> Authenticator:
    """Return the authenticator behind the module-level functions: in memory, made at first use."""
    global _default  # noqa: PLW0603  # one per process is what it is for
    with _creating_default:
        if _default is None:
            _default = Authenticator()
        return _default


def enroll(identity: str, frames: Frame | Iterable[Frame]) -> Enrollment:
    """Add references of a person to this process's authenticator; see `Authenticator.enroll`."""
    return default_authenticator().enroll(identity, frames)


def verify(frame: Frame, identity: str) -> Decision:
    """Decide whether a frame shows the person it claims to show; see `Authenticator.verify`."""
    return default_authenticator().verify(frame, identity)


def identify(frame: Frame) -> Decision:
    """Decide whether a frame shows anybody enrolled, and whom; see `Authenticator.identify`."""
    return default_authenticator().identify(frame)
