"""What is rendered for training, validation and test: counts, ranges, seeds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

from training.render import PoseRange

# Raise this when the renderer changes what it draws: cached renders of another version are refused.
RENDERER_VERSION = 3


@dataclass(frozen=True)
class SplitConfig:
    """One set of rendered identities.

    Attributes
    ----------
    name : folder of the set.
    seed : of every random number in it; splits have different seeds, hence different identities.
    first_identity : number of the first identity; ranges of different splits are disjoint.
    identities, captures : how many, and how many captures of each.
    scale : identity weights are N(0, I) times a uniform factor of this range.
    clustered_share : share of the identities that come in clusters of look-alikes,
        ``w = cluster_base * base + cluster_own * own``.
    modalities : how every capture is seen: "infrared", "color" or both, one tensor each.
    structured_share : share of the captures seen by structured light, the others by time of flight.
    hair_varies_share : share of the identities that change their haircut between captures.
    """

    name: str
    seed: int
    first_identity: int
    identities: int
    captures: int = 10
    scale: tuple[float, float] = (1.0, 1.2)
    clustered_share: float = 0.4
    cluster_size: int = 5
    cluster_base: float = 0.8
    cluster_own: float = 0.6
    hair_varies_share: float = 0.5
    hidden_offset_px: float = 20.0
    modalities: tuple[str, ...] = ("infrared",)
    structured_share: float = 0.0
    poses: PoseRange = field(default_factory=PoseRange)

    def fingerprint(self) -> str:
        """Digest of all that decides a render, but not of how many there are."""
        content = asdict(self) | {"renderer": RENDERER_VERSION}
        del content["identities"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


TRAIN = SplitConfig("train", seed=71_001, first_identity=0, identities=1500)
VALIDATION = SplitConfig("val", seed=71_002, first_identity=100_000, identities=200)
# Frozen: plain N(0, I), nobody made alike, so that figures can be compared over time.
TEST = SplitConfig(
    "test", seed=71_003, first_identity=200_000, identities=100, scale=(1.0, 1.0), clustered_share=0.0
)
SPLITS = {split.name: split for split in (TRAIN, VALIDATION, TEST)}
