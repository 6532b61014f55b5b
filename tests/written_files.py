"""Files of frames as tests write them: pairs, recordings of Open3D, sequences of TUM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.sources.layouts.shot import Listing

RNG = np.random.default_rng(5)
DEPTH = RNG.integers(500, 1100, (60, 64)).astype(np.uint16)
COLOR = RNG.integers(0, 256, (60, 64, 3)).astype(np.uint8)
GREY = COLOR[..., 0].copy()
THREE = np.repeat(GREY[..., None], 3, axis=2)
CAMERA = {"fx": 600.0, "fy": 601.0, "cx": 31.5, "cy": 29.5, "depth_unit_m": 0.001}
COLUMNS = [600.0, 0, 0, 0, 601.0, 0, 31.5, 29.5, 1]
ROWS = [600.0, 0, 31.5, 0, 601.0, 29.5, 0, 0, 1]


def put(path: Path, image: NDArray[Any]) -> Path:
    """Write a picture, RGB or grey, under any name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded, content = cv2.imencode(path.suffix.lower(), image if image.ndim == 2 else image[..., ::-1])
    assert encoded
    path.write_bytes(content.tobytes())
    return path


def pair(folder: Path, label: str = "0", *, image: NDArray[Any] = GREY, kind: str = "ir") -> Path:
    put(folder / f"{label}_{kind}.png", image)
    put(folder / f"{label}_depth.png", DEPTH)
    camera(folder / "camera.json")
    return folder


def camera(path: Path, **changed: Any) -> Path:
    record = {**CAMERA, **changed}
    path.write_text(json.dumps({key: value for key, value in record.items() if value is not None}))
    return path


def recorded(folder: Path, matrix: list[Any] | None = None, **changed: Any) -> Path:
    """A recording of Open3D."""
    put(folder / "color" / "0.jpg", THREE)
    put(folder / "depth" / "0.png", DEPTH)
    record = {"width": 64, "height": 60, "intrinsic_matrix": matrix or COLUMNS, **changed}
    (folder / "intrinsic.json").write_text(json.dumps(record))
    return folder


def sequence(folder: Path, colors: list[float], depths: list[float]) -> Path:
    for stream, times, picture in (("rgb", colors, COLOR), ("depth", depths, DEPTH)):
        lines = [f"{at} {stream}/{at}.png" for at in times]
        for at in times:
            put(folder / stream / f"{at}.png", picture)
        (folder / f"{stream}.txt").write_text("\n".join(lines))
    return folder


def names(found: Listing) -> list[str]:
    return [Path(each.partition(": ")[0]).name for each in found.left_out]
