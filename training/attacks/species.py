"""Presentation attacks as a depth camera sees them, by species of their instrument (ISO/IEC 30107-3).

Every attack shows the face or the colours of a victim; where a body stands behind, it is an attacker's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.attacks.paper import Bend, Paper, Portrait, eye_holes, glare, half, photograph, sheet
from training.camera.models import CAMERA_MODELS, PLAIN_MODELS, CameraModel
from training.camera.raster import Camera, Pose
from training.camera.sensor import Scene
from training.people.person import Identity, Studio
from training.people.skin import Rng
from training.scenes.backdrop import composite, hall, room_wall
from training.scenes.capture import Capture, take_capture
from training.scenes.crops import SUPERSAMPLING
from training.scenes.lights import infrared_light, room_lights
from training.scenes.poses import PoseRange, random_expression

Floats = NDArray[np.float32]
_NOT_TURNED = PoseRange(yaw_deviation=8.0, yaw_limit=20.0, pitch_mean=4.0, pitch_deviation=8.0)
FRAMES_OF_A_REPLAY = 3


@dataclass(frozen=True, eq=False)
class Stage:
    """Camera and place of one presentation.

    Attributes
    ----------
    camera : what a user of the capture is told.
    fine : what sees it, supersampled: its principal point lies where the user is not told.
    distance_mm, origin_px : where the crop has its face.
    binning : how many of the sensor's pixels make one of the crop's, along a side.
    """

    studio: Studio
    model: CameraModel
    camera: Camera
    fine: Camera
    distance_mm: float
    origin_px: tuple[float, float]
    binning: int
    modality: str

    @classmethod
    def draw(cls, rng: Rng, studio: Studio, modality: str) -> Stage:
        """Draw a camera that delivers ``modality``, and the place before it."""
        # Not all cameras: with every one that is added, each presentation would be another.
        models = [model for model in PLAIN_MODELS if modality in model.pictures]
        model = models[int(rng.integers(len(models)))]
        near, far = model.distance_mm or PoseRange().distance_mm
        distance = float(rng.uniform(near, far))
        camera, origin, binning = model.crop(rng, distance)
        dx, dy = rng.normal(0, model.hidden_offset_px, 2) if model.hidden_offset_px else (0.0, 0.0)
        true = replace(camera, cx=camera.cx + float(dx), cy=camera.cy + float(dy))
        fine = true.supersampled(SUPERSAMPLING)
        return cls(studio, model, camera, fine, distance, origin, binning, modality)

    @property
    def with_color(self) -> bool:
        """Whether the scene needs colours."""
        return self.modality == "color"

    def pose(self, rng: Rng, yaw_deg: float, pitch_deg: float, roll_deg: float) -> Pose:
        """Pose with these angles whose origin falls, within some millimetres, where the crop has its face."""
        u, v = (place * SUPERSAMPLING for place in self.origin_px)
        x, y, z = self.fine.unproject(u, v, self.distance_mm)
        x, y = x + float(rng.normal(0, 3)), y + float(rng.normal(0, 3))
        return Pose(yaw_deg, pitch_deg, roll_deg, (x, y, z))

    def held(self, rng: Rng, tilt_deg: float = 20.0) -> Pose:
        """Draw the pose of a sheet held by hand, tilted by up to ``tilt_deg`` either way."""
        return self.pose(
            rng,
            float(rng.uniform(-tilt_deg, tilt_deg)),
            float(rng.uniform(-tilt_deg, tilt_deg)),
            float(rng.uniform(-8, 8)),
        )

    def person(self, rng: Rng, identity: Identity, pose: Pose, *, neutral: bool = False) -> Scene:
        """Shade a person in front of the camera; ``neutral`` without expression."""
        head = self.studio.head
        expression = np.zeros(head.expression_count, np.float32) if neutral else random_expression(rng, head)
        lamps = room_lights(rng) if self.with_color else ()
        scene, _ = self.studio.shoot(rng, identity, expression, pose, self.fine, infrared_light(rng), lamps)
        return scene

    def capture(self, rng: Rng, scene: Scene, pose: Pose) -> Capture:
        """Put a hall or a wall behind a scene and take the capture."""
        backdrop = hall if rng.random() < 0.5 else room_wall
        behind = backdrop(rng, self.fine, self.distance_mm + 100.0, with_color=self.with_color)
        return take_capture(
            rng,
            composite(scene, behind),
            SUPERSAMPLING,
            self.model.binned_sensor(self.binning),
            modality=self.modality,
            camera=self.camera,
            pose=pose,
            eye_midpoint_mm=pose.translation,
            identity_weights=np.zeros(self.studio.head.identity_count, np.float32),
            expression=np.zeros(self.studio.head.expression_count, np.float32),
            camera_model=CAMERA_MODELS.index(self.model),
        )


Species = Callable[[Rng, Stage, Identity, Identity], list[Capture]]
"""Presents a victim's face: (rng, stage, victim, attacker) -> the frames of one presentation."""


def _portrait(rng: Rng, stage: Stage, victim: Identity, turned_deg: float = 0.0) -> Portrait:
    """A photograph of the victim: frontal, or turned by up to ``turned_deg`` to either side."""
    yaw = float(rng.uniform(-1, 1) * turned_deg)
    return photograph(rng, stage.studio, victim, with_color=stage.with_color, yaw_deg=yaw)


def _paper(rng: Rng) -> Paper:
    return Paper(
        scale=float(rng.uniform(0.8, 1.15)),
        contrast=float(rng.uniform(0.3, 1.0)),  # some inks hardly show in infrared
        brightness=float(rng.uniform(0.6, 1.1)),
    )


def _print(rng: Rng, stage: Stage, victim: Identity, bend: Bend, tilt_deg: float = 20.0) -> list[Capture]:
    pose = stage.held(rng, tilt_deg)
    scene = sheet(rng, _portrait(rng, stage, victim), _paper(rng), bend, pose, stage.fine)
    return [stage.capture(rng, scene, pose)]


def flat_print(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A life-sized photograph, tilted by up to 20 degrees either way."""
    return _print(rng, stage, victim, Bend())


def bent_print(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A photograph round an upright cylinder of 60 to 300 mm, give or take 10 degrees."""
    bend = Bend(radius_mm=float(rng.uniform(60, 300)), axis_deg=float(rng.normal(0, 10)))
    return _print(rng, stage, victim, bend, 12.0)


def crumpled_print(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A photograph that was crumpled and smoothed out: folds of 2 to 10 mm, 15 to 50 mm apart."""
    bend = Bend(crumple_mm=float(rng.uniform(2, 10)), crumple_size_mm=float(rng.uniform(15, 50)))
    return _print(rng, stage, victim, bend, 12.0)


def draped_print(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A photograph bent and crumpled at once, round a cylinder that may lie."""
    bend = Bend(
        float(rng.uniform(60, 300)), float(rng.uniform(-90, 90)), float(rng.uniform(1, 8)),
        float(rng.uniform(15, 60)),
    )  # fmt: skip
    return _print(rng, stage, victim, bend, 12.0)


def eyes_cut_out(rng: Rng, stage: Stage, victim: Identity, attacker: Identity) -> list[Capture]:
    """A photograph with holes at the eyes, held by an attacker before their face."""
    pose = stage.held(rng, 10.0)
    front = sheet(
        rng, _portrait(rng, stage, victim), Paper(contrast=float(rng.uniform(0.3, 1.0))), Bend(), pose,
        stage.fine, cut=eye_holes(rng),
    )  # fmt: skip
    behind = _pushed_back(pose, float(rng.uniform(45, 70)))
    return [stage.capture(rng, composite(front, stage.person(rng, attacker, behind)), pose)]


def half_covered(rng: Rng, stage: Stage, victim: Identity, attacker: Identity) -> list[Capture]:
    """Half a photograph of the victim, held by an attacker before half of their own face."""
    pose = stage.held(rng, 8.0)
    front = sheet(rng, _portrait(rng, stage, victim), _paper(rng), Bend(), pose, stage.fine, cut=half(rng))
    behind = _pushed_back(pose, float(rng.uniform(30, 50)))
    return [stage.capture(rng, composite(front, stage.person(rng, attacker, behind)), pose)]


def screen(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A photograph on a tablet: flat, with holes where lamps are mirrored."""
    return _screen(rng, stage, victim, 1)


def replay(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A video on a tablet held by hand: the picture moves, the depth is flat."""
    return _screen(rng, stage, victim, FRAMES_OF_A_REPLAY)


def _screen(rng: Rng, stage: Stage, victim: Identity, frames: int) -> list[Capture]:
    pose = stage.held(rng)
    paper = Paper(float(rng.uniform(0.8, 1.15)), brightness=float(rng.uniform(0.8, 1.6)), screen=True)
    captures = []
    for _ in range(frames):
        portrait = _portrait(rng, stage, victim, 15.0 if frames > 1 else 0.0)
        jitter = tuple(at + float(rng.normal(0, 1.5)) for at in pose.translation_mm)
        held = replace(
            pose,
            yaw_deg=pose.yaw_deg + float(rng.normal(0, 1)),
            translation_mm=(jitter[0], jitter[1], jitter[2]),
        )
        scene = glare(rng, sheet(rng, portrait, paper, Bend(), held, stage.fine))
        captures.append(stage.capture(rng, scene, held))
    return captures


def swapped_depth(rng: Rng, stage: Stage, victim: Identity, attacker: Identity) -> list[Capture]:
    """The depth of the attacker's face with the picture of the victim's, in the same place and pose."""
    pose = stage.pose(rng, *_NOT_TURNED.angles(rng))
    seed = int(rng.integers(2**63))
    body = stage.capture(np.random.default_rng(seed), stage.person(rng, attacker, pose), pose)
    face = stage.capture(np.random.default_rng(seed), stage.person(rng, victim, pose), pose)
    return [replace(body, infrared=face.infrared, color=face.color)]


def smooth_mask(rng: Rng, stage: Stage, victim: Identity, _: Identity) -> list[Capture]:
    """A mask of the mean head's shape, smoothed, in the victim's colours."""
    return _mask(rng, stage, victim, np.zeros(stage.studio.head.identity_count, np.float32))


def other_mask(rng: Rng, stage: Stage, victim: Identity, attacker: Identity) -> list[Capture]:
    """A mask of the attacker's shape, smoothed, in the victim's colours."""
    return _mask(rng, stage, victim, attacker.weights)


def _mask(rng: Rng, stage: Stage, victim: Identity, weights: Floats) -> list[Capture]:
    worn = replace(victim, weights=np.asarray(weights, np.float32), hair_varies=False)
    pose = stage.pose(rng, *_NOT_TURNED.angles(rng))
    scene = stage.person(rng, worn, pose, neutral=True)
    sigma_px = float(rng.uniform(3, 8)) * stage.fine.fx / stage.distance_mm
    return [stage.capture(rng, _smoothed(scene, sigma_px), pose)]


def _smoothed(scene: Scene, sigma_px: float) -> Scene:
    """The same scene without the finer of its shapes: lids, nostrils and lips are painted on."""
    there = np.isfinite(scene.depth_mm).astype(np.float32)
    depth = np.where(there > 0, scene.depth_mm, 0.0)
    weight = cv2.GaussianBlur(there, (0, 0), sigma_px)
    smooth = cv2.GaussianBlur(depth, (0, 0), sigma_px) / np.maximum(weight, 1e-6)
    return replace(scene, depth_mm=np.where(there > 0, smooth, np.inf).astype(np.float32))


def _pushed_back(pose: Pose, mm: float) -> Pose:
    """The pose of a head so far behind a sheet."""
    x, y, z = pose.translation_mm
    return replace(pose, translation_mm=(x * (z + mm) / z, y * (z + mm) / z, z + mm))


SPECIES: dict[str, Species] = {
    each.__name__: each
    for each in (
        flat_print,
        eyes_cut_out,
        bent_print,
        draped_print,
        crumpled_print,
        screen,
        replay,
        half_covered,
        swapped_depth,
        smooth_mask,
        other_mask,
    )
}
"""The species that figures are reported of; nothing is learned from any of them."""
