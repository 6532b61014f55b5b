"""Captures, read and embedded as an `Authenticator` does it with a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embedding
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.stopwatch import Stopwatch
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome


class Shot(Protocol):
    """One capture; `sources.layouts.kinect_v2.Capture` is one."""

    @property
    def person(self) -> str:
        """Name of the person."""

    @property
    def label(self) -> str:
        """Name of the capture among those of the person, as its files have it."""

    @property
    def pose(self) -> int | None:
        """0 to 8: yaw = pose % 3, pitch = pose // 3; 4 is frontal and level. None: not known."""

    @property
    def expression(self) -> int | None:
        """0 to 5; None: not known."""

    def read(self) -> Frame:
        """Read the frame."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AcquiredKeys:
    """The keys of captures, and how far they may be apart to agree.

    Attributes
    ----------
    shape : (n, S) float32 unit vectors; rows of NaN where the capture gave no usable face.
    picture : (n, P) float32, the same.
    limits : the largest distance of each key, "shape" and "picture", at which it agrees: the model's.
    """

    shape: NDArray[np.float32]
    picture: NDArray[np.float32]
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Acquired:
    """Captures with their embeddings.

    Attributes
    ----------
    shots : the n captures.
    vectors : (n, D) float32 unit vectors, the joined ones; rows of NaN where the capture gave no usable face.
    failures : outcomes of the captures that gave none, by index.
    modality : "infrared" or "color", the same for all captures.
    timings_ms : of each capture, by stage: "read", "align", "liveness", "embed", as far as it got.
    keys : of the captures; None: there are none, and only distances are asked.
    """

    shots: Sequence[Shot]
    vectors: NDArray[np.float32]
    failures: dict[int, Outcome]
    modality: str
    timings_ms: Sequence[Mapping[str, float]] = field(default=())
    keys: AcquiredKeys | None = None


def acquire(
    shots: Sequence[Shot],
    aligner: FaceAligner,
    embedder: Embedder,
    liveness: LivenessCheck,
    progress: Callable[[int], None] = lambda _done: None,
    *,
    unreadable: Callable[[SourceError], None] | None = None,
) -> Acquired:
    """Read, align, check and embed every capture, as `Authenticator` does with an upright frame.

    A capture without a usable live face is a failure to acquire. Other turns are not tried: comparisons are
    measured on frames that lie as they should.

    Parameters
    ----------
    progress : called with the number of captures done so far.
    unreadable : called with the error of each capture whose files cannot be read, which is left out then; by
        default the error is raised.

    Raises
    ------
    SourceError
        If a capture's files cannot be read, and `unreadable` is None; none can be read; or captures are of
        several modalities, which no threshold holds between.
    InvalidInputError
        If the model has no limits of the keys for frames of this modality.
    """
    found: list[Embedding] = []
    kept: list[Shot] = []
    sizes = (embedder.contract.outputs[name] for name in ("embedding", "shape", "picture"))
    missing = Embedding(*(np.full(size, np.nan, np.float32) for size in sizes))
    failures: dict[int, Outcome] = {}
    timings: list[Mapping[str, float]] = []
    modality = ""
    for done, shot in enumerate(shots, 1):
        stopwatch = Stopwatch()
        try:
            frame = shot.read()
        except SourceError as error:
            if unreadable is None:
                raise
            unreadable(error)
            continue
        stopwatch.lap("read")
        modality = modality or frame.modality
        if frame.modality != modality:
            message = f"captures: expected those of one modality, got {modality} and {frame.modality}"
            raise SourceError(message)
        crop = aligner.align(frame)
        stopwatch.lap("align")
        embedding = missing
        if isinstance(crop, NoFace):
            failures[len(kept)] = crop.outcome
        else:
            live = liveness.check(crop).live
            stopwatch.lap("liveness")
            if live:
                (embedding,) = embedder.embed(crop.tensor[None], crop.chip[None])
                stopwatch.lap("embed")
            else:
                failures[len(kept)] = Outcome.SPOOF
        kept.append(shot)
        found.append(embedding)
        timings.append(stopwatch.laps())
        progress(done)
    if not kept:
        message = f"captures: expected one or more that can be read, got none of {len(shots)}"
        raise SourceError(message)
    keys = AcquiredKeys(
        np.stack([each.shape for each in found]),
        np.stack([each.picture for each in found]),
        _limits_of(embedder, modality),
    )
    return Acquired(kept, np.stack([each.joined for each in found]), failures, modality, timings, keys)


def _limits_of(embedder: Embedder, modality: str) -> Mapping[str, float]:
    """Return the limits of the keys for frames of a modality; InvalidInputError if the model has none."""
    limits = embedder.contract.key_limits.get(modality)
    if limits is None:
        wanted = " or ".join(embedder.contract.key_limits)
        message = f"captures: expected {wanted} frames, which the model has limits for, got {modality} ones"
        raise InvalidInputError(message)
    return limits
