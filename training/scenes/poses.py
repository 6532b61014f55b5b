"""How heads are held and what faces do: ranges of poses, and random expressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.heads.ict import ParametricHead
from training.people.skin import Rng

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PoseRange:
    """Distribution of poses, in degrees and millimetres.

    Angles are normal with mean and deviation, cut off at their limits; the distance is uniform.
    """

    yaw_deviation: float = 15.0
    yaw_limit: float = 38.0
    pitch_mean: float = 8.0
    pitch_deviation: float = 12.0
    pitch_limits: tuple[float, float] = (-25.0, 35.0)
    roll_deviation: float = 6.0
    distance_mm: tuple[float, float] = (700.0, 1080.0)

    def angles(self, rng: Rng) -> tuple[float, float, float]:
        """Draw yaw, pitch and roll."""
        yaw = np.clip(rng.normal(0, self.yaw_deviation), -self.yaw_limit, self.yaw_limit)
        pitch = np.clip(rng.normal(self.pitch_mean, self.pitch_deviation), *self.pitch_limits)
        return float(yaw), float(pitch), float(np.clip(rng.normal(0, self.roll_deviation), -18, 18))


def random_expression(rng: Rng, head: ParametricHead, *, wide_open_share: float = 0.0) -> Floats:
    """Draw expression weights (53,): mostly mild and mixed, mouths open and eyes shut now and then.

    With probability ``wide_open_share`` the mouth is wide open, whatever the rest of the face does.
    """
    weights = np.zeros(head.expression_count, np.float32)
    if rng.random() < 0.8:
        chosen = rng.choice(head.expression_count, int(rng.integers(1, 7)), replace=False)
        weights[chosen] = rng.uniform(0.0, 0.8, len(chosen))

    def both(name: str, value: float) -> None:
        for side in ("_L", "_R"):
            weights[head.expression_index(name + side)] = value

    if rng.random() < 0.3:
        weights[head.expression_index("jawOpen")] = rng.uniform(0.0, 1.0)
    if rng.random() < 0.15:
        both("eyeBlink", float(rng.uniform(0.5, 1.0)))
    if rng.random() < 0.15:
        both("mouthSmile", float(rng.uniform(0.2, 1.0)))
    if wide_open_share and rng.random() < wide_open_share:
        weights[head.expression_index("jawOpen")] = rng.uniform(0.6, 1.1)
    return weights
