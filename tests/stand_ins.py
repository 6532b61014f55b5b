"""Stand-ins for cameras and models: frames that name a person, and stages that read the name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from faceid_fast.access.boot_clock import Clock
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.bundled import bundled_model_sha256
from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE, Cues, FaceCrop, HeadPose, NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embedding, Embeddings
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.face.liveness_limits import CUES, FIGURES, Limits
from faceid_fast.face.model_contract import ModelContract, served_preprocessing
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.matching.keys import KeyLimits
from faceid_fast.outcome import Outcome
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import References
from faceid_fast.storage.security_state import SecurityState
from faceid_fast.storage.store import Authority

SIZE = 64
THRESHOLD = 0.6
FLOOR = 0.8
TAIL = ((1e-8, THRESHOLD), (1e-3, FLOOR))  # so few strangers are near that numbers of people change nothing
MODEL_SHA256 = "5e" * 32
KEY_LIMITS = KeyLimits(shape=0.9, picture=1.1)
KEY_SIZES = (64, 32)
"""Values per shape vector and per picture vector."""


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.boot, self.seconds = 0, 1000.0

    def __call__(self) -> Clock:
        return Clock(str(self.boot), self.seconds)

    def restart(self) -> None:
        self.boot, self.seconds = self.boot + 1, 3.0


def permit(store: Any, **changes: Any) -> Any:
    """Change the policy of a store without a credential, and return the store."""

    def amend(state: SecurityState) -> tuple[SecurityState, tuple[()]]:
        return replace(state, policy=state.policy.changed(changes)), ()

    kept = store.amend(lambda state: (state, ())).credential
    store.amend(amend, authority=Authority(kept))
    return store


def for_stand_ins(store: Any) -> Any:
    """Let programs bring their own parts, as tests with stand-ins do, and see distances."""
    return permit(store, parts=True, diagnostics=True, lockout=False)


def frame_of(code: int, modality: str = "infrared", take: int = 0) -> Frame:
    """Make a frame whose picture says `code` everywhere; the stand-ins below read it.

    Frames of other takes, 0 to 9, have other depth: no camera measures the same twice.
    """
    color = modality == "color"
    picture = np.full((SIZE, SIZE), code, np.uint16)
    picture[-1, -1] += take
    return Frame(
        depth=np.full((SIZE, SIZE), 6000 + 10 * code + take, np.uint16),
        depth_unit_m=0.0001,
        infrared=None if color else picture,
        color=np.dstack([picture] * 3).astype(np.uint8) if color else None,
        intrinsics=Intrinsics(60.0, 60.0, 31.5, 31.5),
    )


def takes_of(code: int, count: int) -> list[Frame]:
    """Make so many live frames of one face."""
    return [frame_of(code, take=take) for take in range(count)]


LIVE_LIMITS = Limits(
    limits_id="stand-in",
    least=dict.fromkeys(FIGURES, 0.1),
    calibration={},
    training_commit="none",
    preprocessing=served_preprocessing(),
)
"""What a live face must reach where `crop_of` stands in for one."""


def cues_of(**changes: float) -> Cues:
    """Cues of a live face, with some changed."""
    return Cues(**{**dict.fromkeys(CUES, 1.0), **changes})


def crop_of(code: int, *, yaw_deg: float = 0.0, pitch_deg: float = 0.0, live: bool = True) -> FaceCrop:
    tensor = np.zeros(TENSOR_SHAPE, np.float32)
    tensor[0, 0, 0] = code
    return FaceCrop(
        tensor=tensor,
        chip=np.zeros(CHIP_SHAPE, np.uint8),
        valid=np.ones(TENSOR_SHAPE[1:], bool),
        pose=HeadPose(
            rotation=np.eye(3, dtype=np.float32),
            translation_mm=np.array([0.0, 0.0, 600.0], np.float32),
            yaw_deg=yaw_deg,
            pitch_deg=pitch_deg,
            roll_deg=0.0,
        ),
        principal_point_px=(31.5, 31.5),
        eye_midpoint_mm=np.array([0.0, 0.0, 600.0], np.float32),
        distance_mm=600.0,
        fit_score=0.9,
        residual_mm=1.0,
        cues=cues_of() if live else cues_of(relief_mm=0.0),
        valid_share=1.0,
        filled_share=0.0,
        region=(0, 0, SIZE, SIZE),
        band_mm=(400.0, 800.0),
    )


@dataclass
class StandInAligner:
    """Finds in every frame a face with the frame's code, unless told otherwise for that code."""

    special: dict[int, FaceCrop | NoFace] = field(default_factory=dict)

    head_model_sha256: str = bundled_model_sha256(HEAD_MODEL)

    def align(self, frame: Frame) -> FaceCrop | NoFace:
        code = int(frame.picture.flat[0])
        return self.special.get(code, crop_of(code))

    def as_aligner(self) -> FaceAligner:
        return cast("FaceAligner", self)


def contract(**changes: object) -> ModelContract:
    """Make a contract that this package meets, with some fields changed."""
    fields: dict[str, Any] = {
        "model_id": "stand-in",
        "outputs": {"embedding": 128, "shape": KEY_SIZES[0], "picture": KEY_SIZES[1]},
        "thresholds": {"infrared": THRESHOLD, "color": THRESHOLD},
        "key_limits": {name: KEY_LIMITS._asdict() for name in ("infrared", "color")},
        "tails": dict.fromkeys(("infrared", "color"), TAIL),
        "training_commit": "none",
        "calibration": {},
        "preprocessing": served_preprocessing(),
    }
    return ModelContract(**{**fields, **changes})


@dataclass
class StandInEmbedder:
    """Gives the vectors entered for a code; by default a joined one of its own for every code, and one key.

    So everybody's keys agree, unless a test says otherwise, and the joined vectors decide.
    """

    special: dict[int, NDArray[Any]] = field(default_factory=dict)
    dim: int = 128
    sha256: str = MODEL_SHA256
    contract: ModelContract = field(default_factory=contract)
    shapes: dict[int, NDArray[Any]] = field(default_factory=dict)
    pictures: dict[int, NDArray[Any]] = field(default_factory=dict)

    def embed(self, tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> Embeddings:
        assert len(chips) == len(tensors)
        codes = [int(code) for code in tensors[:, 0, 0, 0]]
        same = [unit(0, size) for size in KEY_SIZES]
        return Embeddings(
            np.stack([self.special.get(code, unit(code % self.dim, self.dim)) for code in codes]),
            np.stack([self.shapes.get(code, same[0]) for code in codes]),
            np.stack([self.pictures.get(code, same[1]) for code in codes]),
        )

    def as_embedder(self) -> Embedder:
        return cast("Embedder", self)


def references(identity: str, *vectors: NDArray[np.float32], modality: str = "infrared") -> References:
    """Make what the stand-ins would have enrolled."""
    count = len(vectors)
    return References(
        identity,
        np.stack(vectors),
        ("frontal",) * count,
        (modality,) * count,
        MODEL_SHA256,
        keys=keys(count),
    )


def keys(count: int, *, shape: float = 0.0, picture: float = 0.0) -> Keys:
    """Make keys of references, at these distances from those that the stand-ins give to everybody."""
    return Keys.of(
        *(
            np.stack([at_distance(off, size)] * count)
            for off, size in zip((shape, picture), KEY_SIZES, strict=True)
        )
    )


def probe(joined: NDArray[np.float32], *, shape: float = 0.0, picture: float = 0.0) -> Embedding:
    """Make a probe, its keys at these distances from those that the stand-ins give to everybody."""
    return Embedding(joined, at_distance(shape, KEY_SIZES[0]), at_distance(picture, KEY_SIZES[1]))


def unit(axis: int, dim: int = 128) -> NDArray[np.float32]:
    vector = np.zeros(dim, np.float32)
    vector[axis] = 1.0
    return vector


def at_distance(distance: float, dim: int = 128) -> NDArray[np.float32]:
    """Make a unit vector at a Euclidean distance from `unit(0)`."""
    cosine = 1.0 - distance**2 / 2.0
    vector = np.zeros(dim)
    vector[0], vector[1] = cosine, np.sqrt(max(1.0 - cosine**2, 0.0))
    return vector.astype(np.float32)


def no_face(outcome: Outcome = Outcome.NO_FACE) -> NoFace:
    return NoFace(outcome, ("nothing there",))
