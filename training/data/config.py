"""What is rendered for training, validation and test: counts, ranges, seeds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

from faceid_fast.sources.layouts.kinect_v2 import PRINCIPAL_DEVIATION_PX
from training.camera.models import WIDE_MODELS
from training.scenes.poses import PoseRange

# Raise this when the renderer changes what it draws: cached renders of another version are refused.
RENDERER_VERSION = 4


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
    hair_varies_share : share of the identities that change their haircut between captures.
    hidden_offset_px : standard deviation of the unknown place in the frame of Kinect v2's crops.
    pictures : ("infrared", "color" or "both", share of the captures), of what the camera delivers; one
        tensor each.
    cameras : (name of a camera model, share of the captures).
    portrait_share, portrait_set : share of the identities whose skin comes from portraits, and which
        people's: "train" or "held".
    glasses_share : of the identities have glasses, and wear them in seven captures of ten; one in twenty
        captures of the others shows a foreign pair. cap_share : of the captures show a cap.
    wide_open_share : of the captures show a wide-open mouth.
    alike_skin_share : of the clusters of look-alikes share their skin too: only the shape tells them apart.
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
    pictures: tuple[tuple[str, float], ...] = (("infrared", 1.0),)
    cameras: tuple[tuple[str, float], ...] = (("kinect_v2", 1.0),)
    portrait_share: float = 0.6
    portrait_set: str = "held"
    glasses_share: float = 0.0
    cap_share: float = 0.0
    wide_open_share: float = 0.0
    alike_skin_share: float = 0.0
    poses: PoseRange = field(default_factory=PoseRange)

    def fingerprint(self) -> str:
        """Digest of everything that decides a render, except how many identities there are."""
        content = asdict(self) | {"renderer": RENDERER_VERSION}
        del content["identities"]
        for younger in ("wide_open_share", "alike_skin_share"):
            if not content[younger]:  # no part of the frozen sets
                del content[younger]
        # Of the plain cameras the name stands for all: the frozen sets are older than this.
        names = {name for name, _ in self.cameras}
        if wide := {model.name: asdict(model) for model in WIDE_MODELS if model.name in names}:
            content["wide_models"] = wide
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


# Of a crop's place in the frame, for what the model learns from: as much as the package is told to expect.
UNKNOWN_PLACE_PX = PRINCIPAL_DEVIATION_PX

WIDE_CAMERAS = tuple(model.name for model in WIDE_MODELS)
TRAIN = SplitConfig(
    "train",
    seed=71_001,
    first_identity=0,
    identities=4000,
    captures=8,
    # Real people lie closer together than N(0, I).
    scale=(0.6, 1.2),
    pictures=(("infrared", 0.7), ("color", 0.1), ("both", 0.2)),
    # Of good cameras as of bad ones: a sharp capture must be recognised too.
    cameras=(
        ("kinect_v2", 0.25),
        ("kinect_v1", 0.04),
        ("realsense_d435", 0.06),
        ("truedepth", 0.06),
        *((name, 0.14 if name == "kinect_v2_wide" else 0.09) for name in WIDE_CAMERAS),
    ),
    hidden_offset_px=UNKNOWN_PLACE_PX,
    portrait_set="train",
    glasses_share=0.25,
    cap_share=0.08,
    poses=PoseRange(
        yaw_deviation=18.0, yaw_limit=45.0, pitch_mean=6.0, pitch_deviation=13.0, pitch_limits=(-30.0, 35.0)
    ),
)
# Wide-open mouths are rare in the others, and what people are asked for when faces are collected.
TRAIN_OPEN = replace(
    TRAIN, name="train_open", seed=71_008, first_identity=50_000, identities=1000, wide_open_share=0.4
)
# Rendered skins tell people apart better than real ones do in infrared: here they do not.
TRAIN_ALIKE = replace(
    TRAIN,
    name="train_alike",
    seed=71_009,
    first_identity=60_000,
    identities=1500,
    clustered_share=1.0,
    cluster_base=0.85,
    cluster_own=0.53,
    alike_skin_share=1.0,
)
# Whole populations whose faces are alike, and far from the mean head: flat in the middle, low at the bridge
# of the nose, narrow, broad. Real people of one origin lie so, and N(0, I) hardly ever does.
TRAIN_POPULATIONS = replace(
    TRAIN,
    name="train_populations",
    seed=71_014,
    first_identity=70_000,
    identities=1500,
    scale=(0.8, 1.1),
    clustered_share=1.0,
    cluster_size=20,
    cluster_base=1.1,
    cluster_own=0.6,
)
# The training set's people as the tests' camera sees them.
VALIDATION = SplitConfig(
    "val",
    seed=71_002,
    first_identity=100_000,
    identities=300,
    pictures=(("both", 1.0),),  # each has a threshold of its own
    hidden_offset_px=UNKNOWN_PLACE_PX,
    glasses_share=0.25,
    cap_share=0.08,
)
# The same by all cameras: what a live face must reach is chosen on both.
VALIDATION_CAMERAS = replace(
    VALIDATION,
    name="val_cameras",
    seed=71_011,
    first_identity=110_000,
    identities=200,
    cameras=(("kinect_v1", 1.0), ("realsense_d435", 1.0), ("truedepth", 1.0)),
)
# By cameras with holes, filters, noise and steps as real ones have them.
VALIDATION_WIDE = replace(
    VALIDATION,
    name="val_wide",
    seed=71_012,
    first_identity=120_000,
    identities=200,
    cameras=tuple((name, 1.0) for name in WIDE_CAMERAS),
)
# Such populations: live faces among them must not be refused as evenly bent.
VALIDATION_POPULATIONS = replace(
    VALIDATION,
    name="val_populations",
    seed=71_015,
    first_identity=130_000,
    identities=200,
    scale=TRAIN_POPULATIONS.scale,
    clustered_share=1.0,
    cluster_size=TRAIN_POPULATIONS.cluster_size,
    cluster_base=TRAIN_POPULATIONS.cluster_base,
    cluster_own=TRAIN_POPULATIONS.cluster_own,
)
# The tests are frozen: plain N(0, I), nobody made alike, so that figures can be compared over time.
TEST = SplitConfig(
    "test", seed=71_003, first_identity=200_000, identities=1000, scale=(1.0, 1.0), clustered_share=0.0
)
_SMALL_TEST = replace(TEST, identities=200)
TEST_COLOR = replace(
    _SMALL_TEST, name="test_color", seed=71_004, first_identity=300_000, pictures=(("color", 1.0),)
)
TEST_WORN = replace(
    _SMALL_TEST, name="test_worn", seed=71_005, first_identity=310_000, glasses_share=0.5, cap_share=0.2
)
TEST_CAMERAS = replace(
    _SMALL_TEST,
    name="test_cameras",
    seed=71_006,
    first_identity=320_000,
    cameras=(("kinect_v1", 1.0), ("realsense_d435", 1.0), ("truedepth", 1.0)),
)
# As large misfits as crops of real captures show: their place in the frame is another for every camera stand.
TEST_CROPS = replace(
    _SMALL_TEST, name="test_crops", seed=71_007, first_identity=330_000, hidden_offset_px=UNKNOWN_PLACE_PX
)
# Look-alikes of one skin each.
TEST_ALIKE = replace(
    _SMALL_TEST,
    name="test_alike",
    seed=71_010,
    first_identity=340_000,
    scale=(1.0, 1.0),
    clustered_share=1.0,
    alike_skin_share=1.0,
)
# The wide cameras' pictures, each that they have.
TEST_WIDE = replace(
    _SMALL_TEST,
    name="test_wide",
    seed=71_013,
    first_identity=350_000,
    pictures=(("both", 1.0),),
    cameras=tuple((name, 1.0) for name in WIDE_CAMERAS),
)
SPLITS = {
    split.name: split
    for split in (
        TRAIN,
        TRAIN_OPEN,
        TRAIN_ALIKE,
        TRAIN_POPULATIONS,
        VALIDATION,
        VALIDATION_CAMERAS,
        VALIDATION_WIDE,
        VALIDATION_POPULATIONS,
        TEST,
        TEST_COLOR,
        TEST_WORN,
        TEST_CAMERAS,
        TEST_CROPS,
        TEST_ALIKE,
        TEST_WIDE,
    )
}
