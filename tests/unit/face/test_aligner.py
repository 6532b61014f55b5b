from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import InvalidInputError, ModelContractError, ModelError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.bundled import bundled_model_sha256, read_bundled_model
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.sources.renders import bundled_renders
from stand_ins import LIVE_LIMITS, StandInEmbedder

BUNDLED = read_bundled_model(HEAD_MODEL)
with np.load(io.BytesIO(BUNDLED)) as _file:
    ARRAYS = {name: _file[name] for name in _file.files}


def packed(**changes: Any) -> bytes:
    """Write the bundled head model with some arrays changed, or left out where None."""
    arrays = {name: array for name, array in {**ARRAYS, **changes}.items() if array is not None}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def plain(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def encrypted() -> bytes:
    """Set the flag of encryption on every member."""
    content = bytearray(packed())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 4)
    return bytes(content)


def other_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ARRAYS:
            archive.writestr(f"{name}.npy", b"no array")
    return file.getvalue()


NAN = ARRAYS["mean"].copy()
NAN[7, 1] = np.nan


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"no head model",
        BUNDLED[:-1],
        BUNDLED[: len(BUNDLED) // 2],
        BUNDLED[:2000] + bytes(500) + BUNDLED[2500:],
        plain(ARRAYS["mean"]),
        encrypted(),
        other_zip(),
        packed(mean=None),
        packed(mean=ARRAYS["mean"].ravel()),
        packed(mean=np.float32(1)),
        packed(mean=ARRAYS["mean"][1:]),
        packed(mean=ARRAYS["mean"][:, :2]),
        packed(mean=ARRAYS["mean"].astype(str)),
        packed(mean=ARRAYS["mean"].astype(complex)),
        packed(mean=np.array([None], object)),
        packed(mean=NAN),
        packed(mean=ARRAYS["mean"].astype(float) * 1e300),
        packed(normals=ARRAYS["normals"].T),
        packed(normals=ARRAYS["normals"][:1]),
        packed(components=ARRAYS["components"][0]),
        packed(components=ARRAYS["components"][:0]),
        packed(components=ARRAYS["components"][:, 1:]),
        packed(template=ARRAYS["template"].T),
        packed(template=ARRAYS["template"].ravel()),
        packed(**{name: array[..., :0, :] for name, array in ARRAYS.items()}),
    ],
)
def test_what_is_no_head_model(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^head_model: "):
        FaceAligner(content)


@pytest.mark.parametrize("content", [None, "head.npz", bytearray(BUNDLED), 7])
def test_a_head_model_of_another_type(content: Any) -> None:
    with pytest.raises(ModelError, match=r"head_model: expected the bytes of an \.npz, got"):
        FaceAligner(content)


@pytest.mark.parametrize("frame", [None, "frame", np.zeros((60, 80), np.uint16)])
def test_only_frames_are_aligned(frame: Any) -> None:
    with pytest.raises(InvalidInputError, match="frame: expected a Frame, got"):
        FaceAligner.bundled().align(frame)


def test_an_aligner_says_which_head_model_it_has() -> None:
    assert FaceAligner.bundled().head_model_sha256 == bundled_model_sha256(HEAD_MODEL)
    assert FaceAligner(packed()).head_model_sha256 != bundled_model_sha256(HEAD_MODEL)


def test_an_aligner_with_another_head_model_than_the_network_s() -> None:
    embedder = StandInEmbedder().as_embedder()
    Authenticator(aligner=FaceAligner(BUNDLED), embedder=embedder, liveness=LivenessCheck(LIVE_LIMITS))
    with pytest.raises(ModelContractError, match=r"aligner: expected the head model [0-9a-f]{64}, .*, got"):
        Authenticator(aligner=FaceAligner(packed()), embedder=embedder, liveness=LivenessCheck(LIVE_LIMITS))


def test_other_arrays_than_a_frames_give_the_same() -> None:
    """The core copies arrays that somebody could write to, and reads those of a frame where they lie."""
    frame = bundled_renders()[0].read()
    aligner, k = FaceAligner.bundled(), frame.intrinsics
    wanted = aligner.align(frame)
    assert isinstance(wanted, FaceCrop)
    changes = np.array, lambda array: pickle.loads(pickle.dumps(array))  # noqa: S301
    for change in changes:
        depth, picture = change(frame.depth), change(frame.picture)
        found = aligner._core.align(depth, frame.depth_unit_m, picture, (k.fx, k.fy, k.cx, k.cy), 0.0)
        assert not isinstance(found, tuple)
        np.testing.assert_array_equal(found.tensor, wanted.tensor)
        np.testing.assert_array_equal(found.chip, wanted.chip)


def test_a_crop_shows_its_face_to_nobody_who_prints_it() -> None:
    found = FaceAligner.bundled().align(bundled_renders()[0].read())
    assert isinstance(found, FaceCrop)
    assert len(repr(found)) < 100
    assert "array" not in repr(found)
