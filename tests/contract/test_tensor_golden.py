"""The same frame must give the same tensor: models in the field were trained on what it gives today.

If what fails here was meant, the preprocessing has changed: then a model of before must not be fed with it.
Change `faceid_fast.face.head_model.PREPROCESSING_ID`, train anew, and write the statistics anew::

    python -m tests.contract.test_tensor_golden

Small holes of the renders are filled. Frames without any give what they gave before that was done: the same
renders stand here once more as "whole", with a wall where nothing was measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.head_model import PREPROCESSING_ID
from faceid_fast.frame import Frame
from faceid_fast.sources.renders import bundled_renders

GOLDEN = Path(__file__).with_name("tensor_golden.json")
LOOKS = (
    ("ada", "enroll", 0, "infrared"),
    ("ben", "enroll", 1, "infrared"),
    ("ben", "enroll", 3, "color"),
    ("cleo", "enroll", 4, "infrared"),
    ("cleo", "probe", 1, "color"),
)
HOLES = ("holed", "whole")
WALL_MM = 4000
BLOCK = 12, 16  # rows and columns of the grid's cells that a mean and a deviation are of
TOLERANCE = 0.01  # the channels span -2.5 to 2.5 and -3 to 3
TOLERATED_CELLS = 8
CHANGED = (
    f"{{}}: the preprocessing has changed under the same id {PREPROCESSING_ID!r}: if that is meant, change "
    "PREPROCESSING_ID and retrain, then `python -m tests.contract.test_tensor_golden`"
)


def frame_of(person: str, kind: str, number: int, modality: str, holes: str = "holed") -> Frame:
    (render,) = (r for r in bundled_renders() if (r.person, r.kind, r.number) == (person, kind, number))
    frame = render.read()
    assert frame.infrared is not None
    depth = np.where(frame.depth == 0, np.uint16(WALL_MM), frame.depth) if holes == "whole" else frame.depth
    if modality == "infrared":
        return Frame(
            infrared=frame.infrared,
            depth=depth,
            depth_unit_m=frame.depth_unit_m,
            intrinsics=frame.intrinsics,
        )
    grey = np.sqrt(frame.infrared / float(frame.infrared.max())) * 255
    tinted = grey[..., None] * np.array([1.0, 0.8, 0.7])
    return Frame(
        color=tinted.astype(np.uint8),
        depth=depth,
        depth_unit_m=frame.depth_unit_m,
        intrinsics=frame.intrinsics,
    )


def statistics_of(tensor: NDArray[np.float32], valid: NDArray[np.bool_]) -> dict[str, Any]:
    """Describe a tensor by what differs whenever something of it does, rounded."""
    channels, height, width = tensor.shape
    rows, columns = BLOCK
    blocks = tensor.astype(float).reshape(channels, height // rows, rows, width // columns, columns)
    return {
        "valid_cells": int(valid.sum()),
        "mean": np.round(blocks.mean(axis=(2, 4)), 3).tolist(),
        "deviation": np.round(blocks.std(axis=(2, 4)), 3).tolist(),
    }


def measured(look: tuple[str, str, int, str, str]) -> dict[str, Any]:
    crop = FaceAligner.bundled().align(frame_of(*look))
    assert isinstance(crop, FaceCrop)
    return statistics_of(crop.tensor, crop.valid)


def differences(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    found = [
        f"{name} differs by {apart:.3f}"
        for name in ("mean", "deviation")
        if (apart := float(np.max(np.abs(np.subtract(now[name], before[name]))))) > TOLERANCE
    ]
    if abs(now["valid_cells"] - before["valid_cells"]) > TOLERATED_CELLS:
        found.append(f"{now['valid_cells']} valid cells instead of {before['valid_cells']}")
    return found


def test_the_statistics_are_of_this_preprocessing() -> None:
    recorded = json.loads(GOLDEN.read_text("utf-8"))["preprocessing_id"]
    assert recorded == PREPROCESSING_ID, (
        "write the statistics anew: `python -m tests.contract.test_tensor_golden`"
    )


ALL = [(*look, holes) for holes in HOLES for look in LOOKS]


@pytest.mark.parametrize("look", ALL, ids=lambda look: "-".join(map(str, look)))
def test_tensors_are_what_they_were(look: tuple[str, str, int, str, str]) -> None:
    before = json.loads(GOLDEN.read_text("utf-8"))["tensors"]["-".join(map(str, look))]
    found = differences(measured(look), before)
    assert not found, CHANGED.format("; ".join(found))


@pytest.mark.parametrize("channel", [0, 1, 3])
def test_small_changes_are_noticed(channel: int) -> None:
    crop = FaceAligner.bundled().align(frame_of(*LOOKS[0]))
    assert isinstance(crop, FaceCrop)
    before = statistics_of(crop.tensor, crop.valid)
    scaled, shifted = crop.tensor.copy(), crop.tensor.copy()
    scaled[channel] *= 1.03
    shifted[channel] = np.roll(shifted[channel], 1, axis=0)  # one cell: 2 mm
    for changed in (scaled, shifted):
        assert differences(statistics_of(changed, crop.valid), before)


def main() -> None:
    """Write the statistics of the current build."""
    record = {
        "preprocessing_id": PREPROCESSING_ID,
        "tensors": {"-".join(map(str, look)): measured(look) for look in ALL},
    }
    GOLDEN.write_text(json.dumps(record, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{GOLDEN}: written")


if __name__ == "__main__":
    main()
