"""Align the face of a frame: locate it, turn it to the front, resample it on a metric grid.

The work is done by the Rust core, which fits a head model (mean and components at a few hundred
points, `models/head.npz`) to the depth map. The aligned face no longer depends on the camera, the
distance or, within limits, the pose.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from faceid_fast._core import Aligner
from faceid_fast.checks import checked_instance
from faceid_fast.errors import InvalidInputError, ModelError
from faceid_fast.frame import Frame

from .bundled import read_bundled_model
from .crop import Cues, FaceCrop, HeadPose, NoFace
from .head_model import HEAD_MODEL, head_arrays
from .refusals import refusal

if TYPE_CHECKING:
    from faceid_fast._core import AlignedFace


class FaceAligner:
    """Finds the nearest face of a frame and aligns it.

    Parameters
    ----------
    head_model : bytes
        The content of a head model file (`.npz`), as ``python -m training.fitted.head_model`` writes and
        ``python -m training.fitted.pose_correction`` completes it.

    Raises
    ------
    ModelError
        If the content is not a head model.
    """

    def __init__(self, head_model: bytes) -> None:
        arrays = head_arrays(head_model)
        try:
            self._core = Aligner(*arrays)
        except ValueError as error:
            message = f"head_model: {error}"
            raise ModelError(message) from error
        self._sha256 = hashlib.sha256(head_model).hexdigest()

    @property
    def head_model_sha256(self) -> str:
        """SHA-256 (hex) of the head model; a model's contract names the head model it was trained with."""
        return self._sha256

    @staticmethod
    @cache
    def bundled() -> FaceAligner:
        """Return the aligner with this package's head model.

        Raises
        ------
        ModelError
            If the file is missing or its SHA-256 is not the one that the core was built with.
        """
        return FaceAligner(read_bundled_model(HEAD_MODEL))

    def align(self, frame: Frame) -> FaceCrop | NoFace:
        """Locate, align and cut out the nearest face.

        Parameters
        ----------
        frame : Frame
            Of any size, from a crop around the head to a full picture.

        Returns
        -------
        FaceCrop, or NoFace with the outcome and the reason.

        Raises
        ------
        InvalidInputError
            If `frame` is not a Frame.
        """
        checked_instance("frame", frame, Frame)
        k = frame.intrinsics
        camera = (k.fx, k.fy, k.cx, k.cy)
        found = self._core.align(
            frame.depth, frame.depth_unit_m, frame.picture, camera, k.principal_deviation_px
        )
        return refusal(*found, frame) if isinstance(found, tuple) else _crop(found)

    def cut_out(self, frame: Frame, pose: HeadPose) -> FaceCrop:
        """Cut out the region at a known pose, whether it shows a face or not.

        This serves to measure captures whose true pose is known. Only a pose outside of 250 to 1600 mm is
        refused. `fit_score` and `residual_mm` are those of a head that is fitted from this pose on.

        Parameters
        ----------
        frame : Frame
        pose : HeadPose
            Its rotation and translation are used; the principal point is that of the frame's intrinsics.

        Raises
        ------
        InvalidInputError
            If `frame` is not a Frame, `pose` not a HeadPose, or the pose too near, too far or not finite.
        """
        if not isinstance(frame, Frame) or not isinstance(pose, HeadPose):
            given = f"{type(frame).__name__} and {type(pose).__name__}"
            message = f"frame, pose: expected a Frame and a HeadPose, got {given}"
            raise InvalidInputError(message)
        rotation, translation = np.asarray(pose.rotation), np.asarray(pose.translation_mm)
        if rotation.shape != (3, 3) or translation.shape != (3,):
            message = (
                "pose: expected a rotation (3, 3) and a translation_mm (3,), "
                f"got {rotation.shape} and {translation.shape}"
            )
            raise InvalidInputError(message)
        k = frame.intrinsics
        camera = (k.fx, k.fy, k.cx, k.cy)
        found = self._core.align_at(
            frame.depth, frame.depth_unit_m, frame.picture, camera, rotation.tolist(), translation.tolist()
        )
        return _crop(found)


def _crop(face: AlignedFace) -> FaceCrop:
    yaw, pitch, roll = face.yaw_pitch_roll_deg
    pose = HeadPose(
        rotation=np.array(face.rotation, np.float32),
        translation_mm=np.array(face.translation_mm, np.float32),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
    )
    eyes = np.array(face.eye_midpoint_mm, np.float32)
    return FaceCrop(
        tensor=face.tensor,
        chip=face.chip,
        valid=face.valid,
        pose=pose,
        principal_point_px=face.principal_point,
        eye_midpoint_mm=eyes,
        distance_mm=float(eyes[2]),
        fit_score=face.score,
        residual_mm=face.residual_mm,
        cues=Cues(**face.cues),
        valid_share=face.valid_share,
        filled_share=face.filled_share,
        region=face.region,
        band_mm=face.band_mm,
    )
