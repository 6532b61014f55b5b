# The Rust core. Arrays must be C-contiguous. Errors are those of `faceid_fast.errors`.

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Self, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

__all__ = [
    "MODEL_FILES",
    "AlignedFace",
    "Aligner",
    "Gallery",
    "Matches",
    "RaggedMatches",
    "__version__",
    "backends",
    "depth_text",
    "name_mixes_scripts",
    "name_skeleton",
    "register_depth",
    "stray_in_name",
]

MODEL_FILES: str
"""The text of `models/models.json` at the time of the build."""
__version__: str

@final
class Aligner:
    def __new__(
        cls,
        mean: NDArray[np.float32],
        normals: NDArray[np.float32],
        components: NDArray[np.float32],
        template: NDArray[np.float32],
        correction: NDArray[np.float32],
        correction_offset: NDArray[np.float32],
    ) -> Aligner: ...
    def align(
        self,
        depth: NDArray[np.uint16] | NDArray[np.float32],
        depth_unit_m: float,
        intensity: NDArray[np.uint8] | NDArray[np.uint16],
        intrinsics: tuple[float, float, float, float],
        principal_deviation_px: float,
    ) -> AlignedFace | tuple[str, list[float]]: ...
    def align_at(
        self,
        depth: NDArray[np.uint16] | NDArray[np.float32],
        depth_unit_m: float,
        intensity: NDArray[np.uint8] | NDArray[np.uint16],
        intrinsics: tuple[float, float, float, float],
        rotation: list[list[float]],
        translation_mm: list[float],
    ) -> AlignedFace: ...

@final
class AlignedFace:
    @property
    def tensor(self) -> NDArray[np.float32]: ...
    @property
    def chip(self) -> NDArray[np.uint8]: ...
    @property
    def valid(self) -> NDArray[np.bool_]: ...
    @property
    def rotation(self) -> list[list[float]]: ...
    @property
    def translation_mm(self) -> list[float]: ...
    @property
    def principal_point(self) -> tuple[float, float]: ...
    @property
    def eye_midpoint_mm(self) -> list[float]: ...
    @property
    def yaw_pitch_roll_deg(self) -> list[float]: ...
    @property
    def score(self) -> float: ...
    @property
    def residual_mm(self) -> float: ...
    @property
    def cues(self) -> dict[str, float]: ...
    @property
    def valid_share(self) -> float: ...
    @property
    def filled_share(self) -> float: ...
    @property
    def band_mm(self) -> tuple[float, float]: ...
    @property
    def region(self) -> tuple[int, int, int, int]: ...

@disjoint_base
class Matches:
    """The matches of a search. All arrays have the shape that the search documents.

    Attributes
    ----------
    distance : float32, the Euclidean distance (0 to 2), rounded from float64 after order and thresholds were
        decided; infinity where nothing matches.
    index : int64, the reference's index, as `Gallery.add` returned it; -1 where nothing matches.
    identity : int64, a number that stands for the reference's identity and for no other;
        -1 where nothing matches.
    gallery : the gallery that was searched, in which `names` are looked up.
    names : names of the identities, looked up when this is read: None where nothing matches, and for
        identities that were removed since.
    """

    @property
    def distance(self) -> NDArray[np.float32]: ...
    @property
    def index(self) -> NDArray[np.int64]: ...
    @property
    def identity(self) -> NDArray[np.int64]: ...
    @property
    def gallery(self) -> Gallery: ...
    @property
    def names(self) -> NDArray[np.object_]: ...

@final
class RaggedMatches(Matches):
    """Any number of matches for each probe, in flat arrays, one probe after the other.

    Attributes
    ----------
    offsets : (Q + 1,) int64; the matches of probe i are at ``offsets[i]:offsets[i + 1]``.
    """

    @property
    def offsets(self) -> NDArray[np.int64]: ...

@disjoint_base
class Gallery:
    def __new__(cls, dim: int = 128, *, backend: str | None = None) -> Self: ...
    @classmethod
    def from_arrays(cls, vectors: NDArray[np.float32], identities: Iterable[str]) -> Self: ...
    def to_bytes(self) -> bytes: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...
    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self: ...
    def add(self, identity: str, vectors: NDArray[np.float32]) -> NDArray[np.int64]: ...
    def remove(self, identity: str) -> int: ...
    def replace(self, identity: str, vectors: NDArray[np.float32]) -> NDArray[np.int64]: ...
    def find_nearest(self, queries: NDArray[np.float32], k: int, threads: int | None) -> Matches: ...
    def find_within(
        self, queries: NDArray[np.float32], threshold: float, threads: int | None
    ) -> RaggedMatches: ...
    def find_best_identity(
        self, queries: NDArray[np.float32], threshold: float | None, threads: int | None
    ) -> Matches: ...
    def distance_to(self, identity: str, query: NDArray[np.float32]) -> float: ...
    def names_of(self, numbers: NDArray[np.int64]) -> list[str | None]: ...
    def __len__(self) -> int: ...
    def __contains__(self, identity: object, /) -> bool: ...
    @property
    def dim(self) -> int: ...
    @property
    def identities(self) -> list[str]: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def code_nbytes(self) -> int: ...
    @property
    def backend(self) -> str: ...

def backends() -> list[str]: ...
def depth_text(text: bytes, height: int, width: int, *, missing: int, cap_mm: int) -> NDArray[np.uint16]: ...
def name_mixes_scripts(name: str) -> bool: ...
def name_skeleton(name: str) -> str: ...
def stray_in_name(name: str) -> str | None: ...
def register_depth(
    depth: NDArray[np.uint16] | NDArray[np.float32],
    depth_unit_m: float,
    depth_intrinsics: tuple[float, float, float, float],
    image_intrinsics: tuple[float, float, float, float],
    rotation: Sequence[Sequence[float]],
    translation_m: Sequence[float],
    shape: tuple[int, int],
) -> NDArray[np.float32]: ...
