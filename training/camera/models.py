"""The depth cameras that captures are rendered for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.camera.raster import Camera
from training.camera.sensor import StructuredLight, TimeOfFlight

Rng = np.random.Generator
LARGEST_CROP_PX = 200
"""Larger crops are binned, which bounds the time of a render; faces keep 2 mm a pixel or less."""
HEAD_MM = 305.0


@dataclass(frozen=True)
class CameraModel:
    """One kind of depth camera.

    Attributes
    ----------
    name : as in ``SplitConfig.cameras``.
    focal_px : of the depth picture, unbinned.
    distance_mm : range of the heads' distances; None for that of the split's poses.
    sensor : what makes depth of the scene, in unbinned pixels.
    pictures : what it delivers beside depth, of "infrared" and "color".
    binned : whether crops of more than `LARGEST_CROP_PX` are binned.
    hidden_offset_px : standard deviation of the unknown place of a crop in the frame, where a user
        of the captures is not told the principal point.
    aside_px : standard deviation of the crop's known place in the frame.
    """

    name: str
    focal_px: float
    distance_mm: tuple[float, float] | None
    sensor: TimeOfFlight | StructuredLight
    pictures: tuple[str, ...] = ("infrared", "color")
    binned: bool = True
    hidden_offset_px: float = 0.0
    aside_px: float = 0.0

    def delivered(self, modality: str) -> str:
        """Modality that the camera delivers where "infrared", "color" or "both" is asked for."""
        if len(self.pictures) == 1 or (modality != "both" and modality not in self.pictures):
            return self.pictures[0]
        return modality

    def crop(self, rng: Rng, distance_mm: float) -> tuple[Camera, tuple[float, float], int]:
        """Draw a nearly square crop around a head.

        Returns
        -------
        The crop's camera; the pixel on which the face frame's origin falls; how many of the sensor's
        pixels make one of the crop's, along a side.
        """
        per_mm = self.focal_px / distance_mm
        binning = 1
        if self.binned:
            binning = max(1, int(np.ceil(HEAD_MM * per_mm / LARGEST_CROP_PX)))
            per_mm /= binning
        height = int(np.clip(rng.normal(HEAD_MM, 16) * per_mm, 82, 280))
        width = int(np.clip(height * rng.normal(0.97, 0.03), 82, 280))
        origin = width * rng.normal(0.5, 0.05), height * rng.normal(0.40, 0.045)
        focal = self.focal_px / binning
        cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
        if self.aside_px:
            cx += float(rng.normal(0, self.aside_px / binning))
            cy += float(rng.normal(0, 0.6 * self.aside_px / binning))
        return Camera(focal, focal, cx, cy, width, height), origin, binning

    def binned_sensor(self, binning: int) -> TimeOfFlight | StructuredLight:
        """Sensor with its lengths in pixels of a crop that is binned by ``binning``."""
        if binning == 1 or isinstance(self.sensor, TimeOfFlight):
            return self.sensor
        return replace(
            self.sensor,
            window_px=self.sensor.window_px / binning,
            disparity_step_px=self.sensor.disparity_step_px / binning,
        )


KINECT_V2 = CameraModel(
    "kinect_v2",
    365.0,
    None,
    # Far cheeks and silhouettes smear over up to two pixels, and some mixed readings pass.
    TimeOfFlight(blur_px=(0.4, 1.05), stray=(0.0, 0.045), edge_mm=(35.0, 160.0)),
    binned=False,
    hidden_offset_px=20.0,
)
KINECT_V1 = CameraModel(
    "kinect_v1",
    580.0,
    (500.0, 1100.0),
    StructuredLight(baseline_mm=75.0, noise_at_metre_mm=(0.8, 1.8), disparity_step_px=1 / 8, window_px=2.0),
    pictures=("color",),
    aside_px=70.0,
)
REALSENSE_D435 = CameraModel(
    "realsense_d435",
    610.0,
    (350.0, 1200.0),
    # Passive matching of a projected texture: coarse windows, lumpy noise, steps of 1/32 pixel.
    StructuredLight(
        baseline_mm=50.0,
        noise_at_metre_mm=(1.5, 4.0),
        disparity_step_px=1 / 32,
        window_px=3.0,
        fatten_px=2,
        lump_px=2.6,
    ),
    aside_px=80.0,
)
TRUEDEPTH = CameraModel(
    "truedepth",
    595.0,
    (300.0, 600.0),
    StructuredLight(
        baseline_mm=30.0,
        noise_at_metre_mm=(0.8, 2.0),
        disparity_step_px=1 / 64,
        window_px=4.0,
        lump_px=3.5,
    ),
    aside_px=50.0,
)
CAMERA_MODELS = (KINECT_V2, KINECT_V1, REALSENSE_D435, TRUEDEPTH)
"""Their order numbers them in the shards."""
BY_NAME = {model.name: model for model in CAMERA_MODELS}
