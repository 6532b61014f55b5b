"""From a frame to an aligned face: located, turned to the front, cut out on a metric grid.

The work is done by the Rust core, which fits a head model (mean and components at a few hundred
points, `models/head.npz`) to the depth map. What comes out no longer depends on the camera, the
distance or, within limits, the pose.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ._core import Aligner
from .errors import InvalidInputError, ModelError
from .frame import Frame
from .outcome import Outcome

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from ._core import AlignedFace

TENSOR_SHAPE: Final = (4, 72, 64)
"""(channels, height, width) of the network's input: depth, red, green, blue, on a grid of 2 mm."""
GRID_STEP_MM: Final = 2.0
PREPROCESSING_ID: Final = "head-fit-3"
"""Changes whenever the same frame would give another tensor; models name the one they were trained for."""
HEAD_MODEL: Final = "head.npz"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Where a head is and how it is turned: p_camera = rotation @ p_face + translation.

    Attributes
    ----------
    rotation : (3, 3) float32
        Rz(roll) Rx(pitch) Ry(yaw).
    translation_mm : (3,) float32
        The face frame's origin (between the outer eye corners of the mean head) in the camera's
        frame: x to the right, y down, z away from the camera.
    yaw_deg, pitch_deg, roll_deg : float
        As the camera sees it: positive yaw turns the nose to the image's left, positive pitch
        lowers it, positive roll turns the head clockwise. 0 is frontal.
    """

    rotation: Floats
    translation_mm: Floats
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Cues:
    """What an aligned face says about being one, measured within 50 mm of its middle.

    All are 0 where there is too little depth to tell.

    Attributes
    ----------
    relief_mm : float
        Root mean square distance of the depth from its best plane: 0 for flat pictures.
    curved_relief_mm : float
        The same from its best quadric (1, x, y, x^2, xy, y^2): 0 for pictures round cylinders too.
    agreement : float
        Correlation of what a quadric leaves of the depth with what it leaves of the mean face, -1 to 1: nose,
        eye sockets and cheeks where they should be.
    structure : float
        How much of the mean face's structure the depth has, by regression; about 1.
    valid_share : float
        Share of the cells that have depth, 0 to 1.
    noise_mm : float
        Deviation of the depth from its neighbours, as that of white noise.
    contrast : float
        Root mean square of the picture, as `FaceCrop.tensor` has it.
    """

    relief_mm: float
    curved_relief_mm: float
    agreement: float
    structure: float
    valid_share: float
    noise_mm: float
    contrast: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceCrop:
    """A face as the network sees it, and how well it was seen.

    Attributes
    ----------
    tensor : (4, 72, 64) float32
        Channel 0: depth relative to the mean face in units of 10 mm, clipped at +-2.5. Channels 1 to
        3: log of linear red, green and blue, each less its own mean over a neighbourhood of 12 mm, all
        over the deviation of their mean there, clipped at +-3; infrared stands in for all three.
        Missing cells are 0.
    valid : (72, 64) bool
        Cells that have depth.
    pose : HeadPose
    principal_point_px : (cx, cy)
        Of the camera that pose and millimetres refer to: that of the frame's intrinsics, or what was
        found where those say that it is uncertain.
    eye_midpoint_mm : (3,) float32
        Between the outer eye corners, in the camera's frame.
    distance_mm : float
        From the camera's plane to the eyes.
    fit_score : float
        How well the head model explains the depth, 0 to 1.
    residual_mm : float
        Root mean square distance between model and depth.
    cues : Cues
        What tells it from a picture.
    valid_share : float
        Share of the grid's cells that have depth, 0 to 1.
    region : (top, left, bottom, right)
        Pixels of the frame in which the head was found.
    band_mm : (near, far)
        Depths that were considered there; everything else counts as background.
    """

    tensor: Floats
    valid: NDArray[np.bool_]
    pose: HeadPose
    principal_point_px: tuple[float, float]
    eye_midpoint_mm: Floats
    distance_mm: float
    fit_score: float
    residual_mm: float
    cues: Cues
    valid_share: float
    region: tuple[int, int, int, int]
    band_mm: tuple[float, float]

    def __repr__(self) -> str:
        """Pose and quality, never the face."""
        pose = self.pose
        return (
            f"FaceCrop(yaw={pose.yaw_deg:.0f}, pitch={pose.pitch_deg:.0f}, roll={pose.roll_deg:.0f} deg, "
            f"distance={self.distance_mm:.0f} mm, fit_score={self.fit_score:.2f})"
        )


@dataclass(frozen=True, slots=True)
class NoFace:
    """Why a frame gave no face: an expected outcome, not an error.

    Attributes
    ----------
    outcome : never `ACCEPTED`.
    reasons : in words.
    measured : what was measured of a picture, in words. Not among the reasons: whoever holds up pictures
        could bend them by it.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    measured: tuple[str, ...] = ()


class FaceAligner:
    """Finds the nearest face of a frame and aligns it.

    Parameters
    ----------
    head_model : bytes
        Content of a head model file (`.npz`), as written by ``python -m training.fitted.head_model`` and
        completed by ``python -m training.fitted.pose_correction``.

    Raises
    ------
    ModelError
        If the content is not a head model.
    """

    def __init__(self, head_model: bytes) -> None:
        arrays = _head_arrays(head_model)
        try:
            self._core = Aligner(*arrays)
        except ValueError as error:
            message = f"head_model: {error}"
            raise ModelError(message) from error
        self._sha256 = hashlib.sha256(head_model).hexdigest()

    @property
    def head_model_sha256(self) -> str:
        """SHA-256 (hex) of the head model; models name the one they were trained with."""
        return self._sha256

    @staticmethod
    @cache
    def bundled() -> FaceAligner:
        """Aligner with the head model of this package.

        Raises
        ------
        ModelError
            If the file is missing or its SHA-256 is not the one recorded in `models.json`.
        """
        return FaceAligner(read_bundled_model(HEAD_MODEL))

    def align(self, frame: Frame) -> FaceCrop | NoFace:
        """Locate, align and cut out the nearest face.

        Parameters
        ----------
        frame : Frame
            Any size from a head crop to a full picture.

        Returns
        -------
        FaceCrop, or NoFace with the outcome and the reason.

        Raises
        ------
        InvalidInputError
            If `frame` is not a Frame.
        """
        if not isinstance(frame, Frame):
            message = f"frame: expected a Frame, got {type(frame).__name__}"
            raise InvalidInputError(message)
        k = frame.intrinsics
        camera = (k.fx, k.fy, k.cx, k.cy)
        found = self._core.align(
            frame.depth, frame.depth_unit_m, frame.picture, camera, k.principal_deviation_px
        )
        return _refusal(*found) if isinstance(found, tuple) else _crop(found)

    def cut_out(self, frame: Frame, pose: HeadPose) -> FaceCrop:
        """Cut out what is at a known pose, a face or not: to measure captures whose truth is known.

        Nothing is refused here but a pose outside of 250 to 1600 mm. `fit_score` and `residual_mm` are
        those of the mean head.

        Parameters
        ----------
        frame : Frame
        pose : HeadPose
            Its rotation and translation; the principal point is that of the frame's intrinsics.

        Raises
        ------
        InvalidInputError
            If `frame` is not a Frame or `pose` not a HeadPose; or it is too near, too far or not finite.
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


def read_bundled_model(name: str) -> bytes:
    """Bytes of a model file of this package, checked against `models.json`.

    Parameters
    ----------
    name : str
        File name, for instance ``head.npz``.

    Raises
    ------
    ModelError
        If the file is missing, not recorded, or not the recorded one.
    """
    expected = bundled_model_sha256(name)
    try:
        content = _bundled(name).read_bytes()
    except OSError as error:
        message = f"models/{name}: not readable ({error.strerror}); reinstall faceid-fast"
        raise ModelError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        message = f"models/{name}: expected SHA-256 {expected}, got {found}; reinstall faceid-fast"
        raise ModelError(message)
    return content


@cache
def bundled_model_sha256(name: str) -> str:
    """SHA-256 (hex) that `models.json` records for a model file of this package.

    Raises
    ------
    ModelError
        If `models.json` cannot be read, or does not record the file.
    """
    try:
        manifest = json.loads(_bundled("models.json").read_text("utf-8"))
        digest = manifest[name]["sha256"]
    except OSError as error:
        message = f"models/models.json: not readable ({error.strerror}); reinstall faceid-fast"
        raise ModelError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"models/models.json: expected JSON, got: {error}; reinstall faceid-fast"
        raise ModelError(message) from None
    except (KeyError, TypeError, IndexError):
        digest = None
    if not isinstance(digest, str):
        message = f"models/{name}: not recorded in models.json; reinstall faceid-fast"
        raise ModelError(message)
    return digest


def _bundled(name: str) -> Traversable:
    return resources.files("faceid_fast") / "models" / name


_HEAD_ARRAYS: Final = {
    "mean": "(N, 3)",
    "normals": "(N, 3)",
    "components": "(K, N, 3)",
    "template": f"{TENSOR_SHAPE[1:]}",
    "correction": f"(S, 8, 2, {TENSOR_SHAPE[1]}, {TENSOR_SHAPE[2]})",
    "correction_offset": "(S, 8)",
}


def _head_arrays(content: bytes) -> list[Floats]:
    """Read the arrays of a head model as float32."""
    if not isinstance(content, bytes):
        message = f"head_model: expected the bytes of an .npz, got {type(content).__name__}"
        raise ModelError(message)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in _HEAD_ARRAYS}
    except Exception as error:  # whatever zip, zlib and numpy's header parser raise for damaged files
        message = (
            f"head_model: expected an .npz with {', '.join(_HEAD_ARRAYS)}, got: "
            f"{str(error)[:200] or type(error).__name__}"
        )
        raise ModelError(message) from error
    points = arrays["mean"].shape[:1]
    modes = arrays["components"].shape[:1]
    stages = arrays["correction_offset"].shape[:1]
    shapes = {
        "mean": (*points, 3),
        "normals": (*points, 3),
        "components": (*modes, *points, 3),
        "template": TENSOR_SHAPE[1:],
        "correction": (*stages, 8, 2, *TENSOR_SHAPE[1:]),
        "correction_offset": (*stages, 8),
    }
    for name, array in arrays.items():
        # A model without corrections has no stages; everything else must hold something.
        empty = not array.size and not name.startswith("correction")
        if array.dtype.kind != "f" or array.shape != shapes[name] or empty:
            message = (
                f"head_model: expected {name} {_HEAD_ARRAYS[name]} of floats, "
                f"got {array.shape} of {array.dtype}"
            )
            raise ModelError(message)
    return [_float32(array) for array in arrays.values()]


def _float32(array: NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):  # the core refuses infinity
        return np.ascontiguousarray(array, np.float32)


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
        valid=face.valid,
        pose=pose,
        principal_point_px=face.principal_point,
        eye_midpoint_mm=eyes,
        distance_mm=float(eyes[2]),
        fit_score=face.score,
        residual_mm=face.residual_mm,
        cues=Cues(**face.cues),
        valid_share=face.valid_share,
        region=face.region,
        band_mm=face.band_mm,
    )


def _refusal(kind: str, figures: list[float]) -> NoFace:
    outcome, reason = _REFUSALS[kind]
    measured = (f"{figures[0]:.1f} mm from a plane",) if kind == "flat" else ()
    return NoFace(outcome, (reason.format(*figures),), measured)


_REFUSALS: Final = {
    "no_face": (Outcome.NO_FACE, "nothing of the size and shape of a face was found in the depth"),
    "several_faces": (Outcome.SEVERAL_FACES, "two faces are at nearly the same distance; let one step back"),
    "too_near": (Outcome.TOO_NEAR, "the nearest head is at {:.0f} mm; move back to 300 mm or more"),
    "too_far": (Outcome.TOO_FAR, "the nearest head is at {:.0f} mm; come within 1500 mm"),
    "cut_off": (Outcome.CUT_OFF, "the face leaves the frame; centre it"),
    "poor_pose": (
        Outcome.POOR_POSE,
        "the face is turned too far (yaw {:.0f}, pitch {:.0f}, roll {:.0f} degrees); look at the camera",
    ),
    "poor_depth": (
        Outcome.POOR_DEPTH,
        "only {:.0%} of the face has depth; avoid glare and covering the face",
    ),
    "flat": (Outcome.SPOOF, "what is there is flat: a picture, not a face"),
}
