"""Frame in, decision out: locate and align, liveness, embed, match, decide."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from . import liveness
from .embed import Embedder
from .enrollment import Enrollment, RejectedFrame, pose_name, summarise
from .errors import InvalidInputError
from .face import FaceAligner, NoFace
from .frame import Frame
from .gallery import Gallery
from .outcome import Outcome
from .policy import Decision, accepts, check_threshold
from .store import InMemoryStore, References, check_identity, unknown_identity

if TYPE_CHECKING:
    from .face import FaceCrop
    from .store import ReferenceStore

MAX_REFERENCES: Final = 64
"""References a person may have; every one is one more chance for a stranger to be near."""


class Authenticator:
    """Enrols people, and decides whether a frame shows one of them. Safe to share by threads.

    Parameters
    ----------
    store : ReferenceStore, optional
        Where references live. By default in memory: nothing is written to disk, and everybody is
        forgotten with the process.
    aligner : FaceAligner, optional
        By default the bundled one.
    embedder : Embedder, optional
        By default the bundled one.
    threshold : float, optional
        Largest distance to accept, Euclidean between unit vectors, in [0, 2). By default the one
        that the model's contract suggests.
    diagnostics : bool
        Whether decisions carry distances. Leave it off wherever a caller could be an attacker: a
        few hundred returned distances reveal a template.

    Raises
    ------
    ModelError
        If a bundled model is missing or damaged.
    InvalidInputError
        If the threshold is not usable.
    """

    def __init__(
        self,
        *,
        store: ReferenceStore | None = None,
        aligner: FaceAligner | None = None,
        embedder: Embedder | None = None,
        threshold: float | None = None,
        diagnostics: bool = False,
    ) -> None:
        self._store = InMemoryStore() if store is None else store
        self._aligner = FaceAligner.bundled() if aligner is None else aligner
        self._embedder = Embedder.bundled() if embedder is None else embedder
        contract = self._embedder.contract
        self._threshold = check_threshold(contract.threshold if threshold is None else threshold)
        self._diagnostics = diagnostics
        self._changing = threading.Lock()  # one change at a time; searches never wait for it
        self._gallery = Gallery(dim=contract.embedding_size)
        for identity in self._store.identities():
            self._gallery.add(identity, self._store.get(identity).vectors)

    @property
    def threshold(self) -> float:
        """Largest distance that is accepted, Euclidean between unit vectors."""
        return self._threshold

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""
        return self._store.identities()

    def enroll(self, identity: str, frames: Frame | Iterable[Frame]) -> Enrollment:
        """Add references of a person; a first call makes the person known.

        Frames that cannot be used are reported one by one, never dropped silently. If none can be
        used, nothing changes. If anything raises, nothing changes.

        Parameters
        ----------
        identity : str
            1 to 200 printable characters.
        frames : Frame or iterable of Frame
            A few, best looking straight, left, right, up and down.

        Returns
        -------
        Enrollment
            What was taken, what was refused and why, which poses are missing.

        Raises
        ------
        InvalidInputError
            If the name or a frame is not usable as such, there is no frame, or the person would get
            more than `MAX_REFERENCES` references.
        """
        check_identity(identity)
        looks = [self._look(_checked(frame), _Clock()) for frame in _as_frames(frames)]
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
        with self._changing:
            known = identity in self._gallery
            before = self._store.get(identity) if known else None
            poses = before.poses if before is not None else ()
            if fresh is None:
                return summarise(identity, poses, accepted=0, rejected=rejected)
            poses += tuple(pose_name(crop.pose) for crop in crops)
            vectors = fresh if before is None else np.concatenate([before.vectors, fresh])
            if len(vectors) > MAX_REFERENCES:
                message = (
                    f"frames: expected at most {MAX_REFERENCES} references for one person, got {len(vectors)}"
                )
                raise InvalidInputError(message)
            references = References(identity, vectors, poses)
            self._store.put(references)
            try:
                if before is None:
                    self._gallery.add(identity, references.vectors)
                else:
                    self._gallery.replace(identity, references.vectors)
            except BaseException:
                if before is None:
                    self._store.remove(identity)
                else:
                    self._store.put(before)
                raise
        strangers = _unlike_all_others(vectors, self._threshold)[-len(crops) :]
        return summarise(
            identity,
            poses,
            accepted=len(crops),
            rejected=rejected,
            warnings=[
                f"frame {place} is unlike every other reference: is it the same person, held still?"
                for place, strange in zip(places, strangers, strict=True)
                if strange
            ],
        )

    def verify(self, frame: Frame, identity: str) -> Decision:
        """Decide whether a frame shows the person it claims to show (1:1).

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        InvalidInputError
            If `frame` is not a Frame or the name is not a usable one.
        """
        clock = _Clock()
        _checked(frame)
        if check_identity(identity) not in self._gallery:
            raise unknown_identity(identity)
        query = self._query(frame, clock)
        if isinstance(query, NoFace):
            return self._decision(query.outcome, identity, None, query.reasons, clock)
        distance = float(self._gallery.distance_to(identity, query))
        clock.lap("match")
        return self._judge(identity, distance, clock)

    def identify(self, frame: Frame) -> Decision:
        """Decide whether a frame shows anybody enrolled, and whom (1:N).

        With nobody enrolled the outcome is NOT_ENROLLED.

        Raises
        ------
        InvalidInputError
            If `frame` is not a Frame.
        """
        clock = _Clock()
        _checked(frame)
        if len(self._gallery) == 0:
            return self._decision(Outcome.NOT_ENROLLED, None, None, ("nobody is enrolled",), clock)
        query = self._query(frame, clock)
        if isinstance(query, NoFace):
            return self._decision(query.outcome, None, None, query.reasons, clock)
        found = self._gallery.best_identity(query)
        nearest: str | None = found.names.item()  # None: removed since
        clock.lap("match")
        return self._judge(nearest, float(found.distance), clock, claimed=False)

    def remove(self, identity: str) -> None:
        """Forget a person. Once this returns, nothing accepts them.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        check_identity(identity)
        with self._changing:
            self._store.remove(identity)
            self._gallery.remove(identity)

    def _look(self, frame: Frame, clock: _Clock) -> FaceCrop | NoFace:
        """Find a live face."""
        crop = self._aligner.align(frame)
        clock.lap("align")
        if isinstance(crop, NoFace):
            return crop
        verdict = liveness.check(crop)
        clock.lap("liveness")
        return crop if verdict.live else NoFace(Outcome.SPOOF, verdict.reasons)

    def _query(self, frame: Frame, clock: _Clock) -> NDArray[np.float32] | NoFace:
        """Embed the live face of a frame: (D,) float32."""
        look = self._look(frame, clock)
        if isinstance(look, NoFace):
            return look
        vector: NDArray[np.float32] = self._embedder.embed(look.tensor[None])[0]
        clock.lap("embed")
        return vector

    def _judge(
        self, identity: str | None, distance: float, clock: _Clock, *, claimed: bool = True
    ) -> Decision:
        """Accept iff the distance says so."""
        if identity is not None and accepts(distance, self._threshold):
            return self._decision(Outcome.ACCEPTED, identity, distance, (), clock)
        shown = identity if claimed or self._diagnostics else None
        reason = "the face is not near enough to any reference"
        return self._decision(Outcome.NO_MATCH, shown, distance, (reason,), clock)

    def _decision(
        self,
        outcome: Outcome,
        identity: str | None,
        distance: float | None,
        reasons: tuple[str, ...],
        clock: _Clock,
    ) -> Decision:
        return Decision(
            outcome=outcome,
            identity=identity,
            threshold=self._threshold,
            distance=distance if self._diagnostics else None,
            reasons=reasons,
            timings_ms=clock.stop(),
        )


class _Clock:
    """Milliseconds per stage."""

    def __init__(self) -> None:
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


def _as_frames(frames: Frame | Iterable[Frame]) -> tuple[Any, ...]:
    if isinstance(frames, Frame):
        return (frames,)
    if not isinstance(frames, Iterable):
        message = f"frames: expected a Frame or several, got {type(frames).__name__}"
        raise InvalidInputError(message)
    several = tuple(frames)
    if not several:
        message = "frames: expected at least one Frame, got none"
        raise InvalidInputError(message)
    return several


def _checked(frame: object) -> Frame:
    if not isinstance(frame, Frame):
        message = f"frame: expected a Frame, got {type(frame).__name__}"
        raise InvalidInputError(message)
    return frame


def _unlike_all_others(vectors: NDArray[np.float32], threshold: float) -> list[bool]:
    """Tell for each of (n, D) unit vectors whether no other one would accept it; n = 1: never."""
    if len(vectors) < 2:
        return [False] * len(vectors)
    wide = vectors.astype(np.float64)
    distances = np.linalg.norm(wide[:, None] - wide[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return [not near for near in distances.min(axis=1) <= threshold]


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
