"""The depth cameras that captures are rendered for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.camera.delivery import Delivery
from training.camera.filters import Filters
from training.camera.holes import Holes
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
        windows = self.sensor.windows_px
        return replace(
            self.sensor,
            window_px=self.sensor.window_px / binning,
            disparity_step_px=self.sensor.disparity_step_px / binning,
            windows_px=None if windows is None else (windows[0] / binning, windows[1] / binning),
            steps_px=tuple(step / binning for step in self.sensor.steps_px),
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
PLAIN_MODELS = (KINECT_V2, KINECT_V1, REALSENSE_D435, TRUEDEPTH)
"""Sharper and more complete than most cameras are; the frozen tests and the attacks are seen by them."""

# The wide ones are as their makers' papers say, and as worn, filtered and badly set up as people have them.
_UNITS_MM = ((1.0, 0.8), (4.0, 0.2))
KINECT_V2_WIDE = replace(
    KINECT_V2,
    name="kinect_v2_wide",
    sensor=TimeOfFlight(
        blur_px=(0.4, 1.6),
        noise_mm=(0.2, 1.3),
        stray=(0.0, 0.045),
        edge_mm=(35.0, 160.0),
        flying=(0.0, 0.5),
        delivery=Delivery(
            frames=(1, 1, 1, 5),
            # Real captures have a third of the plain model's noise from pixel to pixel, and more relief over
            # 2 pixels than the head itself: their noise is mottled.
            slow_px=(1.5, 11.0),
            holes=Holes(single_share=(1e-3, 0.1), blob_share=(1e-4, 0.05), dim_power=1.0),
            # libfreenect2 filters by itself: bilaterally, and by what it takes for edges.
            filters=Filters(smooth_chance=0.6, smooth_mm=(0.7, 4.0), fill_chance=0.1, units_mm=_UNITS_MM),
        ),
    ),
)
KINECT_V1_WIDE = replace(
    KINECT_V1,
    name="kinect_v1_wide",
    # ROS, "kinect_calibration/technical": windows of 9 x 9 or 9 x 7, steps of 1/8 pixel, 75 mm.
    sensor=StructuredLight(
        baseline_mm=75.0,
        noise_at_metre_mm=(0.8, 2.0),
        disparity_step_px=1 / 8,
        windows_px=(5.0, 11.0),
        shadow_slack_px=0.0,
        delivery=Delivery(
            frames=(1, 1, 3, 5),
            noise_power=2.0,
            holes=Holes(single_share=(1e-3, 0.1), blob_share=(1e-3, 0.1), speckle_share=(1e-3, 0.05)),
            filters=Filters(
                smooth_chance=0.3,
                median_chance=0.2,
                fill_chance=0.25,
                units_mm=_UNITS_MM,
            ),
        ),
    ),
)
REALSENSE_D435_WIDE = replace(
    REALSENSE_D435,
    name="realsense_d435_wide",
    # Intel, "Tuning depth cameras for best performance" and "Subpixel linearity improvement": an error of
    # 0.08 px of disparity on a good target, steps of 1/32 px. Depth is the left camera's.
    sensor=StructuredLight(
        baseline_mm=50.0,
        noise_at_metre_mm=(1.5, 4.0),
        disparity_step_px=1 / 32,
        windows_px=(5.0, 13.0),
        shadow_slack_px=0.0,
        shadow_sides=("left",),
        delivery=Delivery(
            frames=(1, 1, 3, 5),
            noise_power=2.0,
            holes=Holes(single_share=(1e-3, 0.1), blob_share=(1e-3, 0.1), speckle_share=(1e-3, 0.08)),
            filters=Filters(smooth_chance=0.5, smooth_mm=(1.0, 6.0), fill_chance=0.3, units_mm=((1.0, 1.0),)),
        ),
    ),
)
TRUEDEPTH_WIDE = replace(
    TRUEDEPTH,
    name="truedepth_wide",
    sensor=StructuredLight(
        baseline_mm=30.0,
        noise_at_metre_mm=(0.8, 2.5),
        disparity_step_px=1 / 64,
        windows_px=(7.0, 15.0),
        shadow_slack_px=0.0,
        delivery=Delivery(
            frames=(1, 1, 3),
            noise_power=2.0,
            holes=Holes(single_share=(1e-4, 0.03), blob_share=(1e-4, 0.05)),
            # Phones smooth and fill what they deliver unless they are asked not to.
            filters=Filters(smooth_chance=0.5, smooth_mm=(0.7, 4.0), fill_chance=0.5),
        ),
    ),
)
OAK_D = CameraModel(
    "oak_d",
    # Luxonis, "Configuring stereo depth": 75 mm; 441 px at 400 lines, 882 at 800; 95 px are searched, so that
    # the nearest is 0.35 m; steps of 1/8 to 1/32 px; medians and a speckle filter. The plain one has no
    # projector: skin gives it little to match.
    441.0,
    (400.0, 1100.0),
    StructuredLight(
        baseline_mm=75.0,
        noise_at_metre_mm=(2.0, 5.0),
        windows_px=(5.0, 11.0),
        shadow_slack_px=0.0,
        steps_px=(1 / 8, 1 / 16, 1 / 32),
        shadow_sides=("left", "right"),  # depth is either camera's
        passive=True,
        range_mm=(348.0, 6_000.0),
        delivery=Delivery(
            frames=(1, 1, 3, 5),
            noise_power=2.0,
            holes=Holes(single_share=(1e-3, 0.1), blob_share=(1e-3, 0.1), speckle_share=(1e-3, 0.1)),
            filters=Filters(
                smooth_chance=0.3,
                smooth_mm=(0.7, 5.0),
                median_chance=0.5,
                median_px=(3, 5),
                fill_chance=0.2,
            ),
        ),
    ),
    pictures=("color",),
    aside_px=60.0,
)
PHONE_TOF = CameraModel(
    "phone_tof",
    # pmd, "CamBoard pico flexx": 224 x 171 pixels over 62 degrees, hence 186 px; errors of up to 1 % of the
    # distance at 5 frames a second, and 2 % at 45.
    186.0,
    (300.0, 650.0),
    TimeOfFlight(
        blur_px=(0.5, 1.3),
        noise_mm=(1.0, 3.0),
        stray=(0.0, 0.045),
        edge_mm=(35.0, 160.0),
        nearest_mm=100.0,
        flying=(0.0, 0.7),
        delivery=Delivery(
            frames=(1, 1, 3, 5),
            slow_px=(1.5, 11.0),
            holes=Holes(single_share=(1e-3, 0.1), blob_share=(1e-4, 0.05), dim_power=1.0),
            filters=Filters(smooth_chance=0.5, smooth_mm=(1.0, 5.0), fill_chance=0.3),
        ),
    ),
    aside_px=20.0,
)
WIDE_MODELS = (
    KINECT_V2_WIDE,
    KINECT_V1_WIDE,
    REALSENSE_D435_WIDE,
    TRUEDEPTH_WIDE,
    OAK_D,
    PHONE_TOF,
)
"""With the holes, the smoothness and the steps that real depth has."""
CAMERA_MODELS = PLAIN_MODELS + WIDE_MODELS
"""Their order numbers them in the shards: append only."""
BY_NAME = {model.name: model for model in CAMERA_MODELS}
