"""The head model that is fitted to depth maps: its file, its arrays, and the name of the preprocessing."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import ModelError

from .crop import TENSOR_SHAPE, Floats

PREPROCESSING_ID: Final = "head-fit-5"
"""The name of the preprocessing, recorded in a model's contract.

It changes whenever the same frame would give another tensor or chip.
"""
HEAD_MODEL: Final = "head.npz"
_HEAD_ARRAYS: Final = {
    "mean": "(N, 3)",
    "normals": "(N, 3)",
    "components": "(K, N, 3)",
    "template": f"{TENSOR_SHAPE[1:]}",
    "correction": f"(S, 8, 2, {TENSOR_SHAPE[1]}, {TENSOR_SHAPE[2]})",
    "correction_offset": "(S, 8)",
}


def head_arrays(content: bytes) -> list[Floats]:
    """Read the arrays of a head model file, as float32; ModelError if one is missing or malformed."""
    if not isinstance(content, bytes):
        message = f"head_model: expected the bytes of an .npz, got {type(content).__name__}"
        raise ModelError(message)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in _HEAD_ARRAYS}
    except Exception as error:  # zip, zlib and numpy's header parser raise many types for damaged files
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
        # A model without corrections has no stages; no other array may be empty.
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
