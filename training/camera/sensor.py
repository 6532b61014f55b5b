"""What depth cameras make of a scene: time of flight (Kinect v2) and structured light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.delivery import Delivery, deliver, frames_averaged
from training.camera.noise import Floats, Rng, correlated

Choice = TypeVar("Choice", str, float)
# Radiance of a skin patch that faces the sensor at this distance is the unit of amplitude.
REFERENCE_MM = 900.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Ideal pictures of what is in front of a camera, possibly supersampled.

    Attributes
    ----------
    depth_mm : (H, W) float32 z; inf where nothing is.
    radiance : (H, W) float32 infrared, about 0.6 for skin facing the sensor at 0.9 m.
    facing : (H, W) cosine between the surface normal and the direction to the camera.
    hair : (H, W) 0..1.
    color : (H, W, 3) linear RGB radiance, or None.
    lens : (H, W) 0..1 where a spectacle lens lies before the surface, or None.
    """

    depth_mm: Floats
    radiance: Floats
    facing: Floats
    hair: Floats
    color: Floats | None = None
    lens: Floats | None = None


@dataclass(frozen=True)
class TimeOfFlight:
    """Time-of-flight sensor: ranges that each capture's errors are drawn from.

    Lengths are in native pixels and millimetres.
    """

    blur_px: tuple[float, float] = (0.4, 0.85)
    noise_mm: tuple[float, float] = (0.5, 1.3)
    bias_mm: float = 1.5  # standard deviation of the error per unit of log amplitude
    stray: tuple[float, float] = (0.0, 0.035)  # share of the light scattered in the lens
    edge_mm: tuple[float, float] = (35.0, 110.0)  # depth spread within a pixel at which it is dropped
    grazing: tuple[float, float] = (0.04, 0.16)  # cosine below which readings drop out
    infrared_gain: tuple[float, float] = (7_000.0, 14_000.0)
    range_mm: float = 4_500.0
    nearest_mm: float = 300.0
    flying: tuple[float, float] | None = None  # share of the mixed readings at edges that are not dropped
    delivery: Delivery | None = None  # None: as it was measured


@dataclass(frozen=True)
class StructuredLight:
    """Structured-light sensor: ranges that each capture's errors are drawn from.

    A projector stands beside the camera: noise grows with z^2, and near edges cast shadows.
    """

    baseline_mm: float = 60.0
    noise_at_metre_mm: tuple[float, float] = (0.7, 1.6)
    window_px: float = 1.5
    disparity_step_px: float = 1 / 16
    fatten_px: int = 1  # by so much may near edges grow
    lump_px: float = 1.8  # correlation length of the noise
    grazing: tuple[float, float] = (0.08, 0.2)
    infrared_gain: tuple[float, float] = (7_000.0, 14_000.0)
    range_mm: tuple[float, float] = (150.0, 6_000.0)
    windows_px: tuple[float, float] | None = None  # side of the windows, instead of the lengths above
    steps_px: tuple[float, ...] = ()  # instead of the one step above, each as likely as another
    shadow_sides: tuple[str, ...] = ("right",)  # of near things, each as likely as another
    shadow_slack_px: float = 1.0  # a shadow is by so much, and half a pixel, narrower than it should be
    passive: bool = False  # two cameras by the room's light, where the scene has some
    delivery: Delivery | None = None  # None: as it was measured


def _reduce(picture: Floats, factor: int) -> Floats:
    """Mean over factor x factor samples."""
    if factor == 1:
        return picture
    height, width = picture.shape[:2]
    reduced: Floats = cv2.resize(picture, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return reduced


def _blur(picture: Floats, sigma: float) -> Floats:
    blurred: Floats = cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0.15 else picture
    return blurred


def _behind_lens(rng: Rng, scene: Scene, factor: int) -> tuple[Floats, NDArray[np.bool_]] | None:
    """What spectacle lenses do to depth: millimetres added, and readings lost, (H, W) each."""
    if scene.lens is None:
        return None
    lens = _reduce(scene.lens, factor)
    # Glass lengthens the light's way and bends it: a step of some millimetres, and unrest.
    rough = rng.uniform(0.5, 5.0) * correlated(rng, lens.shape, rng.uniform(0.7, 2.5))
    added = lens * (rng.uniform(-2.0, 6.0) + rough)
    patches = correlated(rng, lens.shape, rng.uniform(1.0, 4.0))
    lost = (lens > 0.5) & (patches > rng.uniform(0.2, 3.0))
    return added.astype(np.float32), lost


def infrared_picture(
    rng: Rng, radiance: Floats, factor: int, gain: float, blur_px: float
) -> NDArray[np.uint16]:
    """Infrared intensities (H / factor, W / factor) uint16 with shot, read and pattern noise."""
    light = _reduce(_blur(radiance, blur_px * factor), factor) * np.float32(gain)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    gain_error = 1.0 + 0.012 * rng.standard_normal(light.shape, dtype=np.float32)
    light = light * gain_error + noise * np.sqrt(np.maximum(light, 0) * 2.5 + 300.0)
    out: NDArray[np.uint16] = np.clip(np.rint(light), 0, 65_535).astype(np.uint16)
    return out


def time_of_flight(
    rng: Rng, scene: Scene, factor: int, model: TimeOfFlight, focal_px: float
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Measure a scene: depth (millimetres, 0 = no reading) and infrared, (H / factor, W / factor) uint16.

    A pixel measures the phase of all light that falls on it, so its depth is the mean weighted by
    amplitude: silhouettes grow over dark backgrounds and fly between near surfaces.
    """
    blur = rng.uniform(*model.blur_px)
    amplitude = np.maximum(scene.radiance, 1e-4)
    depth = np.where(np.isfinite(scene.depth_mm), scene.depth_mm, model.range_mm).astype(np.float32)
    moments = np.dstack([amplitude, amplitude * depth, amplitude * (depth / 1e3) ** 2])
    moments = _reduce(_blur(moments, blur * factor), factor)
    light = moments[..., 0]
    mean = moments[..., 1] / light
    spread = np.sqrt(np.maximum(moments[..., 2] / light * 1e6 - mean**2, 0.0))
    stray = rng.uniform(*model.stray)
    if stray > 0.003:  # scattered in the lens: what is dark takes on the depth of what is bright beside it
        wide = cv2.GaussianBlur(moments[..., :2], (0, 0), rng.uniform(3.0, 7.0))
        light = (1 - stray) * light + stray * wide[..., 0]
        mean = ((1 - stray) * moments[..., 1] + stray * wide[..., 1]) / light
    facing = np.maximum(_reduce(scene.facing, factor), 0.02)
    hair = _reduce(scene.hair, factor)
    shape = light.shape

    relative = np.maximum(light / 0.6, 1e-3)
    frames = frames_averaged(rng, model.delivery)
    sigma = (
        rng.uniform(*model.noise_mm)
        / frames**0.5
        / np.sqrt(np.clip(facing, 0.1, 1))
        * np.maximum(relative**-0.5, relative**-0.9 * 0.6)
    )
    white = rng.standard_normal(shape, dtype=np.float32)
    mottled = correlated(rng, shape, rng.uniform(0.8, 1.6))
    measured = mean + sigma * (0.6 * white + 0.8 * mottled)
    measured += rng.uniform(0.2, 1.0) * correlated(rng, shape, rng.uniform(8.0, 20.0))
    measured += rng.normal(0, model.bias_mm) * np.clip(np.log(relative), -2.0, 1.0) + rng.normal(0, 2.0)
    measured += hair * rng.uniform(0.5, 4.0) * white
    behind_lens = _behind_lens(rng, scene, factor)
    if behind_lens is not None:
        measured += behind_lens[0]

    luck = rng.random(shape, dtype=np.float32)
    edge = rng.uniform(*model.edge_mm)
    # Refused where two surfaces share a pixel: the spread of a mixture of shares w and 1 - w is
    # sqrt(w (1 - w)) times their distance, so slight admixtures pass, and fly.
    native = _reduce(depth, factor)
    kernel = np.ones((3, 3), np.uint8)
    step = cv2.dilate(native, kernel) - cv2.erode(native, kernel)
    drop = (spread > edge) & (spread > rng.uniform(0.2, 0.42) * step) & (luck < 0.97)
    if model.flying is not None:
        drop &= rng.random(shape, dtype=np.float32) > rng.uniform(*model.flying)
    grazing = rng.uniform(*model.grazing)
    drop |= (facing < grazing) & (luck < 0.6)
    # Hardly any light: the phase is anybody's guess, or the reading is refused.
    lost = sigma * (1 + 2 * hair) > rng.uniform(14.0, 30.0) * (0.5 + luck)
    refused = rng.random(shape, dtype=np.float32) < rng.uniform(0.2, 0.8)
    guess = rng.uniform(400.0, model.range_mm, shape).astype(np.float32)
    far = lost & (mean > 1.6 * np.median(mean[facing > 0.5]) if (facing > 0.5).any() else lost)
    measured = np.where(far, guess, measured)
    drop |= lost & (refused | ~far)
    if behind_lens is not None:
        drop |= behind_lens[1]
    for _ in range(rng.poisson(1.5)):  # a few lost readings anywhere
        row, column = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        drop[row : row + int(rng.integers(1, 3)), column : column + int(rng.integers(1, 3))] = True
    measured[drop | (measured < model.nearest_mm) | (measured > model.range_mm)] = 0.0
    if model.delivery is not None:
        measured = deliver(rng, measured, light, model.delivery, frames=frames, focal_px=focal_px)
    infrared = infrared_picture(rng, scene.radiance, factor, rng.uniform(*model.infrared_gain), blur * 0.8)
    return np.rint(measured).astype(np.uint16), infrared


def structured_light(
    rng: Rng, scene: Scene, factor: int, model: StructuredLight, focal_px: float
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Measure as `time_of_flight` does, but by triangulation against a projector left of the camera.

    Instead of the projector it may be another camera on either side: whatever it does not see is lost.
    """
    depth = np.where(np.isfinite(scene.depth_mm), scene.depth_mm, 1e6).astype(np.float32)
    depth = depth[factor // 2 :: factor, factor // 2 :: factor] if factor > 1 else depth
    facing = np.maximum(_reduce(scene.facing, factor), 0.02)
    hair, light = _reduce(scene.hair, factor), _reduce(scene.radiance, factor)
    shape = depth.shape
    if model.passive and scene.color is not None:
        light = _reduce(scene.color, factor).mean(axis=2)
        light = 0.6 * light / max(float(np.percentile(light, 90)), 1e-4)
    parallax = np.float32(focal_px * model.baseline_mm) / depth
    shadow = _shadow(parallax, _one_of(rng, model.shadow_sides), model.shadow_slack_px)

    # Matching windows average disparity; edges fatten towards the nearer side.
    window_sigma, fatten, lump = model.window_px * 0.7, model.fatten_px, model.lump_px
    if model.windows_px is not None:
        side = rng.uniform(*model.windows_px)
        window_sigma = lump = side / np.sqrt(12)  # the deviation of a square is that of its Gaussian
        fatten = max(1, round(rng.uniform(0.15, 0.4) * side))  # half of the window, where all of it counts
    reach = 2 * fatten + 1
    near = cv2.dilate(parallax, np.ones((reach, reach), np.uint8))
    ragged = rng.random(shape, dtype=np.float32) < 0.5
    jump = near > 1.04 * parallax
    parallax = np.where(jump & ragged, near, parallax)
    inner = ~cv2.dilate(jump.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    parallax = np.where(inner, _blur(parallax, window_sigma), parallax)
    # At 1 m an error of 1 mm is an error of f b / 1e6 pixels of disparity.
    unit = np.float32(focal_px * model.baseline_mm / 1e6)
    frames = frames_averaged(rng, model.delivery)
    sigma = rng.uniform(*model.noise_at_metre_mm) * unit / frames**0.5 / np.sqrt(np.clip(facing, 0.15, 1))
    noise = 0.5 * rng.standard_normal(shape, dtype=np.float32) + 0.87 * correlated(rng, shape, lump)
    parallax = parallax + sigma * (1.0 + 1.5 * hair) * noise
    parallax += 0.6 * rng.normal(0, 1) * unit * correlated(rng, shape, 40.0)
    step = np.float32(_one_of(rng, model.steps_px or (model.disparity_step_px,)))
    parallax = np.rint(parallax / step) * step
    measured = np.float32(focal_px * model.baseline_mm) / np.maximum(parallax, 1e-3)
    behind_lens = _behind_lens(rng, scene, factor)
    if behind_lens is not None:
        measured += behind_lens[0]
        shadow = shadow | behind_lens[1]

    luck = rng.random(shape, dtype=np.float32)
    drop = shadow | ((facing < rng.uniform(*model.grazing)) & (luck < 0.8))
    drop |= (light < 0.02) & (luck < 0.7)
    drop |= (hair > 0.5) & (light < 0.12) & (luck < rng.uniform(0.0, 0.5))
    drop = cv2.medianBlur(drop.astype(np.uint8), 3).astype(bool) | shadow
    low, high = model.range_mm
    measured[drop | (measured < low) | (measured > high)] = 0.0
    if model.delivery is not None:
        measured = deliver(rng, measured, light, model.delivery, frames=frames, focal_px=focal_px)
    infrared = infrared_picture(rng, scene.radiance, factor, rng.uniform(*model.infrared_gain), 0.4)
    return np.rint(measured).astype(np.uint16), infrared


def _one_of(rng: Rng, choices: tuple[Choice, ...]) -> Choice:
    """Draw one; of a single one no random number is drawn."""
    return choices[int(rng.integers(len(choices)))] if len(choices) > 1 else choices[0]


def _shadow(parallax: Floats, side: str, slack_px: float) -> NDArray[np.bool_]:
    """Where the projector's light, or the other camera's view, is blocked by something near."""
    if side == "left":
        return _shadow(parallax[:, ::-1], "right", slack_px)[:, ::-1]
    column = np.arange(parallax.shape[1], dtype=np.float32) + parallax  # as the projector sees it
    return np.asarray(column < np.maximum.accumulate(column, axis=1) - slack_px)


def color_picture(rng: Rng, scene: Scene, factor: int) -> NDArray[np.uint8]:
    """Colour picture (H / factor, W / factor, 3) uint8 in sRGB, exposed for its brightest parts."""
    if scene.color is None:
        message = "the scene was drawn without colour"
        raise ValueError(message)
    light = _reduce(_blur(scene.color, rng.uniform(0.3, 0.7) * factor), factor)
    level = np.percentile(light.max(axis=2), 97)
    light = light * np.float32(rng.uniform(0.6, 1.05) / max(float(level), 1e-4))
    light = light + rng.standard_normal(light.shape, dtype=np.float32) * np.sqrt(
        np.maximum(light, 0) * 3e-4 + 1e-5
    )
    light = np.clip(light, 0.0, 1.0)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    out: NDArray[np.uint8] = np.rint(srgb * 255).astype(np.uint8)
    return out
