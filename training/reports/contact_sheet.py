"""Contact sheets of renders, to look at: ``python -m training.reports.contact_sheet --sheet FILE``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.build import render_identity
from training.data.config import SPLITS, SplitConfig
from training.heads.ict import DEFAULT_PATH, ParametricHead
from training.people.person import Studio
from training.scenes.capture import Capture


def panel(capture: Capture, side: int = 160) -> NDArray[np.uint8]:
    """Draw one capture: picture, depth within 120 mm of the face, relief; (3 * side, side, 3) BGR."""
    depth = capture.depth_mm.astype(np.float32)
    middle = capture.distance_mm
    if capture.infrared is not None:
        bright = np.percentile(capture.infrared[depth > 0], 97) if (depth > 0).any() else 1.0
        picture = np.clip(capture.infrared / max(float(bright), 1.0), 0, 1) ** 0.7 * 255
        top = cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_GRAY2BGR)
    else:
        top = cv2.cvtColor(capture.color, cv2.COLOR_RGB2BGR)
    near = np.clip((middle + 120 - depth) / 240, 0, 1) * 255
    hue = cv2.applyColorMap(near.astype(np.uint8), cv2.COLORMAP_JET)
    hue[depth == 0] = 255
    hue[depth > middle + 300] = 60
    slope = np.roll(depth, -1, axis=1) - np.roll(depth, 1, axis=1)
    relief = cv2.cvtColor(np.clip(128 + 8 * slope, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    parts = [cv2.resize(p, (side, side), interpolation=cv2.INTER_NEAREST) for p in (top, hue, relief)]
    stacked: NDArray[np.uint8] = np.vstack(parts)
    return stacked


def contact_sheet(split: SplitConfig, first: int, rows: int, head: Path) -> NDArray[np.uint8]:
    """Render identities of a split from the ``first`` on, one a row."""
    studio = Studio(ParametricHead.load(head))
    lines = [
        np.hstack([panel(capture) for capture in render_identity(studio, split, first + row)[0]])
        for row in range(rows)
    ]
    sheet: NDArray[np.uint8] = np.vstack(lines)
    return sheet


def main() -> None:
    """Write a contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheet", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--split", choices=sorted(SPLITS), default="train", help="its cameras, wear, skins")
    parser.add_argument("--first", type=int, default=0, help="number of the first identity")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--modality", choices=["infrared", "color"], help="instead of the split's")
    parser.add_argument("--portrait-share", type=float, help="instead of the split's")
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH)
    arguments = parser.parse_args()
    split = replace(SPLITS[arguments.split], captures=arguments.columns)
    if arguments.modality:
        split = replace(split, pictures=((arguments.modality, 1.0),))
    if arguments.portrait_share is not None:
        split = replace(split, portrait_share=arguments.portrait_share)
    sheet = contact_sheet(split, arguments.first, arguments.rows, arguments.head)
    if not cv2.imwrite(str(arguments.sheet), sheet):
        parser.error(f"{arguments.sheet} was not written")


if __name__ == "__main__":
    main()
