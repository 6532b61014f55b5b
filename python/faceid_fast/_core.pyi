"""The Rust core. Arrays must be C-contiguous; errors are those of `faceid_fast.errors`."""

from typing import final

import numpy as np
from numpy.typing import NDArray

__version__: str

@final
class Aligner:
    def __new__(
        cls,
        mean: NDArray[np.float32],
        normals: NDArray[np.float32],
        components: NDArray[np.float32],
        template: NDArray[np.float32],
    ) -> Aligner: ...
    def align(
        self,
        depth: NDArray[np.uint16] | NDArray[np.float32],
        depth_unit_m: float,
        intensity: NDArray[np.uint8] | NDArray[np.uint16],
        intrinsics: tuple[float, float, float, float],
    ) -> AlignedFace | tuple[str, list[float]]: ...

@final
class AlignedFace:
    @property
    def tensor(self) -> NDArray[np.float32]: ...
    @property
    def valid(self) -> NDArray[np.bool_]: ...
    @property
    def rotation(self) -> list[list[float]]: ...
    @property
    def translation_mm(self) -> list[float]: ...
    @property
    def eye_midpoint_mm(self) -> list[float]: ...
    @property
    def yaw_pitch_roll_deg(self) -> list[float]: ...
    @property
    def score(self) -> float: ...
    @property
    def residual_mm(self) -> float: ...
    @property
    def relief_mm(self) -> float: ...
    @property
    def valid_share(self) -> float: ...
    @property
    def region(self) -> tuple[int, int, int, int]: ...
