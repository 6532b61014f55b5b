"""A frame: one picture of a camera and the depth registered to it, checked when it is made."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import checked_instance, checked_number, checked_three, shown
from .errors import GuessedIntrinsicsWarning, InvalidInputError

MIN_SIDE_PX: Final = 48
"""A face needs about this many pixels; a smaller picture is a mistake."""
MAX_SIDE_PX: Final = 4096
MAX_FRAMES: Final = 256
"""Most frames in one call; an iterator may be endless."""
MAX_CALL_BYTES: Final = 640 * 2**20
"""Most bytes of picture and depth in one call: `MAX_FRAMES` of 640 x 480 in colour with depth of four bytes.
A file of some kilobytes can hold a frame of a hundred MiB."""
DEPTH_UNIT_RANGE_M: Final = (1e-7, 10.0)
"""From a tenth of a micrometre, finer than any sensor resolves, to far coarser than a face."""
FOCAL_RANGE_PX: Final = (1.0, 1e5)
MAX_PRINCIPAL_POINT_PX: Final = 1e5
MAX_PRINCIPAL_DEVIATION_PX: Final = 10_000.0
"""Beyond these limits of intrinsics the core's values would leave float32; no camera comes near them."""
MAX_AGE_S: Final = 2.0
"""Longest time from capture to attempt, in seconds: gathering the frames of one takes less, and whoever stood
before the camera earlier may have gone."""
MAX_SOURCE_CHARS: Final = 200
MODALITIES: Final = ("infrared", "color")
"""The kinds of picture that a frame may hold, each by the name of its argument."""
GUESSED_HORIZONTAL_FOV_DEG: Final = 60.0
"""A value among those of a Kinect v1 (57), a TrueDepth camera (about 60) and a RealSense D435 (69)."""

_LATEST_S: Final = 1e12
"""Later than any computer runs."""
_MATRIX: Final = "matrix: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
_MATRIX_RANGE: Final = (-MAX_PRINCIPAL_POINT_PX, MAX_PRINCIPAL_POINT_PX)
_DEPTH_DTYPES: Final = ("uint16", "float32", "float64")
_COLOR_DTYPES: Final[tuple[str, ...]] = ("uint8",)
_INFRARED_DTYPES: Final[tuple[str, ...]] = ("uint8", "uint16")


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """The pinhole camera of the picture that depth is registered to, in pixels.

    Pixel (u, v) at depth z shows the point x = (u - cx) / fx * z, y = (v - cy) / fy * z, with x to the
    right, y down and z away from the camera.

    Parameters
    ----------
    fx, fy : focal lengths, 1 to 100,000.
    cx, cy : principal point, -100,000 to 100,000; it may lie outside of a picture that is a crop.
    principal_deviation_px : standard deviation of the principal point, 0 to 10,000; 0 if it is known. If the
        place of a crop in its picture was not recorded, the direction from which the camera saw the face is
        unknown, which shears the face; with a value above 0 the aligner estimates the principal point
        together with the face.

    Raises
    ------
    InvalidInputError
        If a value is not a number in its range.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    principal_deviation_px: float = 0.0

    def __post_init__(self) -> None:
        """Check every value and convert it to float."""
        for name in ("fx", "fy"):
            value = checked_number(f"intrinsics.{name}", getattr(self, name), *FOCAL_RANGE_PX, "pixels")
            object.__setattr__(self, name, value)
        farthest = (-MAX_PRINCIPAL_POINT_PX, MAX_PRINCIPAL_POINT_PX)
        for name in ("cx", "cy"):
            value = checked_number(f"intrinsics.{name}", getattr(self, name), *farthest, "pixels")
            object.__setattr__(self, name, value)
        deviation = (0.0, MAX_PRINCIPAL_DEVIATION_PX)
        name = "principal_deviation_px"
        value = checked_number(f"intrinsics.{name}", self.principal_deviation_px, *deviation, "pixels")
        object.__setattr__(self, name, value)

    @classmethod
    def from_matrix(cls, matrix: ArrayLike) -> Self:
        """Make intrinsics from a camera matrix, as OpenCV's calibration gives it.

        Parameters
        ----------
        matrix : (3, 3) array or nested lists
            ``[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`` in pixels, of pictures without lens distortion.

        Raises
        ------
        InvalidInputError
            If the matrix has another shape, a skew or another last row, or a value is out of range.
        """
        rows = [
            [checked_number("matrix", value, *_MATRIX_RANGE) for value in checked_three("matrix", row)]
            for row in checked_three("matrix", matrix)
        ]
        (fx, skew, cx), (zero, fy, cy), last = rows
        if [skew, zero, *last] != [0.0, 0.0, 0.0, 0.0, 1.0]:
            message = f"{_MATRIX}, got a skew, or another last row"
            raise InvalidInputError(message)
        return cls(fx, fy, cx, cy)


@dataclass(frozen=True, slots=True)
class Capture:
    """Which camera captured a frame, and when: what makes it evidence of who is there now.

    Parameters
    ----------
    source : kind and serial number of the camera, for instance ``"realsense:0123456789"``; 1 to 200 printable
        characters.
    at_s : when the frame was captured, in seconds by `faceid_fast.timing.since_boot_s`, 0 or more.

    Raises
    ------
    InvalidInputError
        If the source is no such text, or the time not a number in its range.
    """

    source: str
    at_s: float

    def __post_init__(self) -> None:
        """Check both, and convert the time to float."""
        named = isinstance(self.source, str) and 1 <= len(self.source) <= MAX_SOURCE_CHARS
        if not named or not self.source.isprintable():
            message = (
                f"capture.source: expected 1 to {MAX_SOURCE_CHARS} printable characters, "
                f"got {shown(self.source)}"
            )
            raise InvalidInputError(message)
        at_s = checked_number("capture.at_s", self.at_s, 0.0, _LATEST_S, "seconds since the start")
        object.__setattr__(self, "at_s", at_s)


@dataclass(frozen=True, init=False, eq=False, repr=False, slots=True)
class Frame:
    """A colour *or* infrared picture, with depth registered to it pixel by pixel.

    The arrays are copied, because a camera may reuse its buffers. The copies are C-contiguous, in native
    byte order and read-only.

    Parameters
    ----------
    depth : (H, W) uint16, float32 or float64
        Depth along the optical axis in units of `depth_unit_m`. 0, negative, NaN and infinite
        values mean missing. float64 is stored as float32.
    depth_unit_m : float
        Metres per unit of `depth`, 1e-7 to 10: 0.001 for millimetres, 1.0 for metres.
    color : (H, W, 3) uint8, RGB
        Give exactly one of `color` and `infrared`.
    infrared : (H, W) uint8 or uint16
    intrinsics : Intrinsics
        If left out, they are guessed from a horizontal field of view of 60 degrees, with a
        `GuessedIntrinsicsWarning`.

    Attributes
    ----------
    capture : Capture or None
        Which camera captured the frame, and when; set by cameras of `faceid_fast.sources` alone. None means
        *unproven*: a frame of a file, or one that a caller made. Pickling and copying drop it, because a
        frame that was stored proves nothing about now.

    Raises
    ------
    InvalidInputError
        If an argument has the wrong type, dtype, shape or range, or depth and picture differ in size.
    """

    depth: NDArray[Any]
    depth_unit_m: float
    color: NDArray[np.uint8] | None
    infrared: NDArray[Any] | None
    intrinsics: Intrinsics
    capture: Capture | None = field(init=False)  # not by the constructor, nor by dataclasses.replace

    def __init__(
        self,
        *,
        depth: NDArray[Any],
        depth_unit_m: float,
        color: NDArray[Any] | None = None,
        infrared: NDArray[Any] | None = None,
        intrinsics: Intrinsics | None = None,
    ) -> None:
        if (color is None) == (infrared is None):
            message = (
                "color, infrared: expected exactly one of the two, "
                f"got {'neither' if color is None else 'both'}"
            )
            raise InvalidInputError(message)
        if color is not None:
            name, shape, dtypes = "color", "(H, W, 3)", _COLOR_DTYPES
        else:
            name, shape, dtypes = "infrared", "(H, W)", _INFRARED_DTYPES
        given: Any = infrared if color is None else color
        _check_array(name, given, shape, dtypes)
        height, width = given.shape[:2]
        if min(height, width) < MIN_SIDE_PX or max(height, width) > MAX_SIDE_PX:
            message = (
                f"{name}: expected {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels a side, "
                f"got (height, width) = {(height, width)}"
            )
            raise InvalidInputError(message)
        # Sizes are compared before anything is copied: depth of another size is the commonest mistake and
        # deserves its own message; and an array may claim more than there is memory for.
        _check_array("depth", depth, "(H, W)", _DEPTH_DTYPES)
        if depth.shape != (height, width):
            message = (
                f"depth: expected depth registered to {name}, with its (height, width) = "
                f"{(height, width)}, got {depth.shape}"
            )
            raise InvalidInputError(message)
        unit = checked_number("depth_unit_m", depth_unit_m, *DEPTH_UNIT_RANGE_M, "metres per unit")
        if intrinsics is None:
            intrinsics = _guess_intrinsics(height, width)
        else:
            checked_instance("intrinsics", intrinsics, Intrinsics)
        image = _owned(name, given, shape, dtypes)
        set_field = object.__setattr__
        set_field(self, "depth", _owned("depth", depth, "(H, W)", _DEPTH_DTYPES))
        set_field(self, "depth_unit_m", unit)
        set_field(self, "color", image if color is not None else None)
        set_field(self, "infrared", image if infrared is not None else None)
        set_field(self, "intrinsics", intrinsics)
        set_field(self, "capture", None)

    @classmethod
    def from_bgr(cls, bgr: NDArray[np.uint8], **others: Any) -> Self:  # noqa: ANN401  # as the constructor has them
        """Make a frame from a colour picture in OpenCV's channel order: (H, W, 3) uint8, blue first.

        The frame holds RGB. `others` are the constructor's other arguments. Messages of errors call the
        picture ``color``.
        """
        is_color = isinstance(bgr, np.ndarray) and bgr.ndim == 3
        return cls(color=bgr[..., ::-1] if is_color else bgr, **others)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the constructor's arguments.

        Arrays that are unpickled on their own would be writable, and a capture would outlive its moment.
        """
        return _frame_of, (self.depth, self.depth_unit_m, self.color, self.infrared, self.intrinsics)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.depth.shape[0], self.depth.shape[1]

    @property
    def modality(self) -> str:
        """The kind of picture: one of `MODALITIES`."""
        return "color" if self.infrared is None else "infrared"

    @property
    def picture(self) -> NDArray[Any]:
        """The picture: `color` (H, W, 3) or `infrared` (H, W)."""
        picture = self.infrared if self.color is None else self.color
        assert picture is not None  # noqa: S101  # the constructor takes exactly one
        return picture

    def __repr__(self) -> str:
        """Size, dtypes and depth unit, never the content: frames show people."""
        height, width = self.shape
        image = "color uint8" if self.infrared is None else f"infrared {self.infrared.dtype}"
        return f"<Frame {height}x{width} {image}, depth {self.depth.dtype} x {self.depth_unit_m:g} m>"


def _frame_of(
    depth: NDArray[Any],
    depth_unit_m: float,
    color: NDArray[Any] | None,
    infrared: NDArray[Any] | None,
    intrinsics: Intrinsics,
) -> Frame:
    return Frame(
        depth=depth, depth_unit_m=depth_unit_m, color=color, infrared=infrared, intrinsics=intrinsics
    )


def captured(frame: Frame, capture: Capture) -> Frame:
    """Return a frame that shares the arrays of another one, and carries a capture.

    For `faceid_fast.sources` only: a source says by it that its camera gave the frame at that time. Whoever
    calls it for a frame of another origin vouches for what nothing proves.

    Raises
    ------
    InvalidInputError
        If `frame` is not a Frame, or `capture` not a Capture.
    """
    checked_instance("frame", frame, Frame)
    checked_instance("capture", capture, Capture)
    made = object.__new__(Frame)
    for each in fields(Frame):
        object.__setattr__(made, each.name, getattr(frame, each.name))
    object.__setattr__(made, "capture", capture)
    return made


def checked_depth(depth: object, depth_unit_m: object) -> tuple[NDArray[Any], float]:
    """Check a depth map that is not registered to a picture yet, by the rules of `Frame`; return a copy.

    Returns
    -------
    (depth, depth_unit_m), as in `Frame`.

    Raises
    ------
    InvalidInputError
        If the depth or its unit has the wrong type, dtype, shape or range.
    """
    wanted = "(H, W)"
    _check_array("depth", depth, wanted, _DEPTH_DTYPES)
    sides = np.asarray(depth).shape
    if min(sides) < 1 or max(sides) > MAX_SIDE_PX:
        message = f"depth: expected 1 to {MAX_SIDE_PX} pixels a side, got (height, width) = {sides}"
        raise InvalidInputError(message)
    unit = checked_number("depth_unit_m", depth_unit_m, *DEPTH_UNIT_RANGE_M, "metres per unit")
    return _owned("depth", depth, wanted, _DEPTH_DTYPES), unit


def _check_array(name: str, value: object, shape: str, dtypes: tuple[str, ...]) -> None:
    """Refuse anything but a plain array of one of the dtypes and of the shape."""
    wanted = f"an array {shape} of {' or '.join(dtypes)}"
    if not isinstance(value, np.ndarray):
        message = f"{name}: expected {wanted}, got {type(value).__name__}"
        raise InvalidInputError(message)
    if isinstance(value, np.ma.MaskedArray):
        # A copy would drop the mask and reveal the masked values.
        message = f"{name}: expected {wanted}, got a masked array; fill it first (depth: with 0)"
        raise InvalidInputError(message)
    if value.dtype.newbyteorder("=").name not in dtypes:
        message = f"{name}: expected {wanted}, got dtype {value.dtype}"
        raise InvalidInputError(message)
    channels = (3,) if shape == "(H, W, 3)" else ()
    if value.ndim != 2 + len(channels) or value.shape[2:] != channels:
        message = f"{name}: expected {wanted}, got shape {value.shape}"
        raise InvalidInputError(message)


def _owned(name: str, value: object, shape: str, dtypes: tuple[str, ...]) -> NDArray[Any]:
    """Check an array and return a C-contiguous, immutable copy in native byte order.

    The core reads it without another copy.
    """
    _check_array(name, value, shape, dtypes)
    array = np.asarray(value)
    dtype = np.dtype(np.float32) if array.dtype.name == "float64" else array.dtype.newbyteorder("=")
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32: infinite, which means missing
        return np.ndarray(array.shape, dtype, buffer=array.astype(dtype, copy=False).tobytes())


def _guess_intrinsics(height: int, width: int) -> Intrinsics:
    """Return intrinsics of a typical depth camera: square pixels, principal point in the middle."""
    focal = width / 2 / math.tan(math.radians(GUESSED_HORIZONTAL_FOV_DEG / 2))
    warnings.warn(
        f"intrinsics: none given, guessed from a horizontal field of view of "
        f"{GUESSED_HORIZONTAL_FOV_DEG:g} degrees ({focal:.0f} px); sizes in millimetres rest on it",
        GuessedIntrinsicsWarning,
        stacklevel=3,
    )
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)


def as_frames(frames: object) -> tuple[Frame, ...]:
    """Return the frames of a Frame or an iterable of frames: at least one, at most `MAX_FRAMES`.

    Raises
    ------
    InvalidInputError
        If `frames` is anything else, or holds more than `MAX_CALL_BYTES`.
    """
    if isinstance(frames, Frame):
        return (frames,)
    wanted = f"frames: expected a Frame or several, got {type(frames).__name__}"
    if isinstance(frames, (str, bytes, os.PathLike)):
        message = f"{wanted}; read the frames of a file or folder by faceid_fast.read_frames(path)"
        raise InvalidInputError(message)
    if isinstance(frames, np.ndarray):
        message = (
            f"{wanted}; make Frame(color=... or infrared=..., depth=..., depth_unit_m=..., "
            "intrinsics=Intrinsics.from_matrix(K)) of the arrays of a camera"
        )
        raise InvalidInputError(message)
    try:
        given = iter(frames)  # type: ignore[call-overload]  # raises if it is not iterable
    except (TypeError, NotImplementedError):  # the latter by a memoryview with several axes
        raise InvalidInputError(wanted) from None
    several: list[Frame] = []
    for frame in within_budget(given):
        if len(several) == MAX_FRAMES:
            message = f"frames: expected at most {MAX_FRAMES} at once, got more"
            raise InvalidInputError(message)
        several.append(frame)
    if not several:
        message = "frames: expected at least one Frame, got none"
        raise InvalidInputError(message)
    return tuple(several)


def held_bytes(frames: Iterable[Frame]) -> int:
    """Return how many bytes the pictures and depth of frames take."""
    return sum(frame.depth.nbytes + frame.picture.nbytes for frame in frames)


def within_budget(frames: Iterable[object]) -> Iterator[Frame]:
    """Yield frames as they come, until they hold more than `MAX_CALL_BYTES` together.

    Raises
    ------
    InvalidInputError
        If they do, or one is no Frame. Of an iterator no more is taken then: what was to be read is not.
    """
    total = 0
    for number, each in enumerate(frames):
        frame = checked_instance("frame", each, Frame)
        total += held_bytes([frame])
        if total > MAX_CALL_BYTES:
            height, width = frame.shape
            message = (
                f"frames: expected at most {MAX_CALL_BYTES // 2**20} MiB of pictures and depth in one call, "
                f"got more with frame {number} of {width} x {height}: give fewer, or smaller ones"
            )
            raise InvalidInputError(message)
        yield frame
