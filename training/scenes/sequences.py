"""Sequences: one head that sways before one camera, frame by frame, each with noise of its own.

What a camera keeps from frame to frame is kept: its settings, and what differs from pixel to pixel by its
make. So much of the rendered sensors' noise is drawn anew for every frame, so much stays in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.camera.models import CameraModel
from training.camera.raster import Camera, Pose
from training.camera.sensor import Scene
from training.people.person import NECK_PIVOT_MM, Identity, Studio
from training.people.skin import Rng
from training.scenes.backdrop import composite, hall, room_wall
from training.scenes.capture import Capture, take_capture
from training.scenes.crops import SUPERSAMPLING
from training.scenes.lights import infrared_light, room_lights
from training.scenes.poses import PoseRange, random_expression

SPEED_MM_S = (2.5, 20.0)
"""Mean speed of a head, log-uniform. The stillest of the Nordic Championship of Standstill 2019 (University
of Oslo, RITMO; a marker on the head for seven minutes) moved at 4.7 mm/s; who sits may be stiller."""
STEADY_S = 0.3
"""Time over which a head keeps its velocity: quiet stance has most of its power below 1 Hz."""
FRAMES_PER_S = (15.0, 30.0)
FIXED_PATTERN = 0.3
"""Share of the white noise's power that is the same in every frame, pixel by pixel. Of a still sheet before a
real TrueDepth camera 0.24 to 0.40 of the fine relief is (`training.reports.sequences`)."""

SLOW_PX = 4
"""Noise that is alike over so many pixels is slow."""


@dataclass(frozen=True)
class Sway:
    """Motion of a head: mean speed (mm/s) and frames per second."""

    speed_mm_s: float
    frames_per_s: float

    @classmethod
    def draw(cls, rng: Rng) -> Sway:
        """Draw a person's stillness and a camera's rate."""
        low, high = np.log(SPEED_MM_S)
        return cls(float(np.exp(rng.uniform(low, high))), float(rng.choice(FRAMES_PER_S)))

    def path(self, rng: Rng, frames: int) -> NDArray[np.float64]:
        """Draw places: (frames, 6), three in millimetres, then yaw, pitch and roll in degrees.

        Velocities are those of an Ornstein-Uhlenbeck process. The angles are such that a head's front, 150 mm
        before its pivot, moves by them half as fast as by the shift.
        """
        step_s = 1.0 / self.frames_per_s
        kept = np.exp(-step_s / STEADY_S)
        # The mean length of a vector of three normal variables is 1.596 of their deviation.
        deviation = self.speed_mm_s / 1.596 * np.array([1.0, 1.0, 1.0, *[0.5 * np.degrees(1 / 150.0)] * 3])
        velocity = rng.standard_normal(6)
        places = np.zeros((frames, 6))
        for at in range(1, frames):
            places[at] = places[at - 1] + step_s * deviation * velocity
            velocity = kept * velocity + np.sqrt(1.0 - kept**2) * rng.standard_normal(6)
        return places


class FrameRng:
    """Random numbers of one frame of a sequence, for the sensors, which draw settings and noise from one.

    Single numbers are a camera's settings: the same in every frame of a sequence. Arrays are noise: drawn
    anew for every frame, but for the share `fixed` of their power, and for slow noise, all of which stays:
    what is wrong alike over `SLOW_PX` is wrong because of the lens, the calibration or the light.

    Parameters
    ----------
    sequence : seed of the sequence.
    frame : number of the frame.
    height : of the frame, in pixels: by it fields of slow noise, which are drawn coarser, are known.
    fixed : share of the power of fast noise that is the same in every frame.
    """

    def __init__(
        self, sequence: tuple[int, ...], frame: int, height: int, fixed: float = FIXED_PATTERN
    ) -> None:
        self._sequence, self._calls, self._fixed, self._height = sequence, 0, fixed, height
        self._noise = np.random.default_rng([*sequence, 1, frame])

    def _setting(self) -> Rng:
        # One generator for each call: what one call takes must not move the next.
        self._calls += 1
        return np.random.default_rng([*self._sequence, 0, self._calls])

    def standard_normal(self, size: object = None, dtype: type = np.float64) -> object:
        """White noise, part of it the same in every frame."""
        same = self._setting()
        if size is None:
            return same.standard_normal()
        fresh = self._noise.standard_normal(size, dtype=dtype)
        kept = same.standard_normal(size, dtype=dtype)
        # As `training.camera.noise.correlated` draws it.
        slow = np.ndim(kept) == 2 and len(kept) <= self._height // SLOW_PX + 3
        fixed = 1.0 if slow else self._fixed
        return dtype(np.sqrt(fixed)) * kept + dtype(np.sqrt(1.0 - fixed)) * fresh

    def random(self, size: object = None, dtype: type = np.float64) -> object:
        """Luck: by which pixels are lost, anew in every frame."""
        return self._setting().random() if size is None else self._noise.random(size, dtype=dtype)

    def __getattr__(self, name: str) -> object:
        """Any other draw: a setting, unless it is of many numbers."""

        def draw(*given: object, **options: object) -> object:
            setting = self._setting()
            result = getattr(setting, name)(*given, **options)
            return getattr(self._noise, name)(*given, **options) if np.size(result) > _MANY else result

        return draw


_MANY = 64


def render_sequence(
    seed: tuple[int, ...],
    studio: Studio,
    identity: Identity,
    model: CameraModel,
    *,
    frames: int = 5,
    modality: str = "infrared",
    sway: Sway | None = None,
    fixed: float = FIXED_PATTERN,
) -> list[Capture]:
    """Render a head that sways before a camera that stands still.

    Parameters
    ----------
    seed : of everything that is drawn.
    modality : which pictures come with the depth: "infrared" or "color".
    sway : None: drawn.
    fixed : share of the white noise's power that is the same in every frame.
    """
    rng = np.random.default_rng([*seed, 2])
    sway = sway or Sway.draw(rng)
    poses = PoseRange()
    angles = poses.angles(rng)
    distance = float(rng.uniform(*(model.distance_mm or poses.distance_mm)))
    camera, origin, binning = model.crop(rng, distance)
    first = Pose(*angles, tuple(camera.unproject(*origin, distance)))
    expression = random_expression(rng, studio.head)
    behind = _backdrop(rng, camera, distance, with_color=modality == "color")
    lamp, lamps = infrared_light(rng), room_lights(rng) if modality == "color" else ()
    taken = []
    for number, place in enumerate(sway.path(rng, frames)):
        pose = swayed(first, place)
        person, middle = studio.shoot(
            np.random.default_rng([*seed, 3]), identity, expression, pose,
            camera.supersampled(SUPERSAMPLING), lamp, lamps,
        )  # fmt: skip
        taken.append(
            take_capture(
                FrameRng(seed, number, camera.height, fixed),  # type: ignore[arg-type]  # draws as a generator does
                composite(person, behind),
                SUPERSAMPLING,
                model.binned_sensor(binning),
                modality=modality,
                camera=camera,
                pose=pose,
                eye_midpoint_mm=middle,
                identity_weights=identity.weights,
                expression=np.asarray(expression, np.float32),
            )
        )
    return taken


def swayed(pose: Pose, place: NDArray[np.float64]) -> Pose:
    """Move a pose by (3,) millimetres and turn it by (3,) degrees about where the neck ends."""
    yaw, pitch, roll = (float(angle) for angle in place[3:])
    turned = replace(
        pose, yaw_deg=pose.yaw_deg + yaw, pitch_deg=pose.pitch_deg + pitch, roll_deg=pose.roll_deg + roll
    )
    pivot = pose.rotation @ NECK_PIVOT_MM + pose.translation + place[:3]
    x, y, z = (float(each) for each in pivot - turned.rotation @ NECK_PIVOT_MM)
    return replace(turned, translation_mm=(x, y, z))


def _backdrop(rng: Rng, camera: Camera, distance_mm: float, *, with_color: bool) -> Scene:
    backdrop = hall if rng.random() < 0.75 else room_wall
    return backdrop(rng, camera.supersampled(SUPERSAMPLING), distance_mm, with_color=with_color)
