"""How long it takes to get at a frame, beside other ways to do it.

``python -m benchmarks.frames [--json FILE]`` (`make bench-frames`) prints medians with their quartiles, and
how many times as long each other way takes. Everybody has the same input in memory, takes turns in one
process, and must give the same answer. pandas takes part where it is installed.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast._core import depth_text
from faceid_fast.sources.layouts.vap import VAP_DEPTH_CAP_MM, VAP_DEPTH_MISSING, VAP_HEIGHT, VAP_WIDTH

from .turns import Contest, keep, measure, table


def depth_texts() -> Contest:
    """A depth map as the VAP set has it: a head before a wall, and a shadow where nothing was measured."""
    rows, columns = np.indices((VAP_HEIGHT, VAP_WIDTH))
    squared = (columns - 320) ** 2 + (rows - 240) ** 2
    depth = np.where(squared <= 10_000, 800 + squared // 100, 1500 + (rows * 7 + columns * 3) % 40)
    depth[(squared > 10_000) & (squared <= 14_000)] = VAP_DEPTH_MISSING
    return _text_contest("depth text of 640 x 480", depth)


def noisy_depth_texts() -> Contest:
    """The same size, but no number is like its neighbour: the worst that can be made of whole numbers."""
    depth = np.random.default_rng(0).integers(-1, 1600, (VAP_HEIGHT, VAP_WIDTH))
    return _text_contest("depth text of 640 x 480, noise", depth)


def _text_contest(title: str, depth: NDArray[np.int64]) -> Contest:
    text = "".join("\t".join(map(str, row)) + "\t\n" for row in depth.tolist())
    content = text.encode()

    def ours() -> NDArray[np.uint16]:
        return depth_text(content, VAP_HEIGHT, VAP_WIDTH, missing=VAP_DEPTH_MISSING, cap_mm=VAP_DEPTH_CAP_MM)

    def notebook() -> NDArray[np.uint16]:
        """Line by line and number by number, as the notebook of 2018; what is missing is 0 here."""
        found = np.zeros((VAP_HEIGHT, VAP_WIDTH), np.float32)
        for row, line in enumerate(io.StringIO(text)):
            for column, word in enumerate(line.split()):
                number = int(word)
                if number > VAP_DEPTH_CAP_MM or number == VAP_DEPTH_MISSING:
                    number = 0
                found[row][column] = float(number)
        return found.astype(np.uint16)

    def loadtxt() -> NDArray[np.uint16]:
        return _capped(np.loadtxt(io.StringIO(text), dtype=np.int32))

    def fromstring() -> NDArray[np.uint16]:
        return _capped(np.fromstring(text, np.int32, sep=" ").reshape(VAP_HEIGHT, VAP_WIDTH))

    ways: dict[str, Callable[[], NDArray[Any]]] = {
        "faceid_fast": ours,
        "the notebook's loop": notebook,
        "numpy.loadtxt": loadtxt,
        "numpy.fromstring": fromstring,
    }
    if find_spec("pandas"):
        import pandas as pd  # noqa: PLC0415  # it may not be there

        def read_csv() -> NDArray[np.uint16]:
            columns = range(VAP_WIDTH)
            table = pd.read_csv(io.StringIO(text), sep="\t", header=None, usecols=columns, dtype=np.int32)
            return _capped(table.to_numpy())

        ways["pandas.read_csv"] = read_csv
    return Contest(title, ways, bytes_read=len(content))


def _capped(depth: NDArray[np.int32]) -> NDArray[np.uint16]:
    return np.where((depth < 0) | (depth > VAP_DEPTH_CAP_MM), 0, depth).astype(np.uint16)


CONTESTS: tuple[Callable[[], Contest], ...] = (depth_texts, noisy_depth_texts)


def main() -> None:
    """Hold every contest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    results = [result for contest in CONTESTS for result in measure(contest(), given.rounds)]
    print(table(results))
    keep(results, given.json)


if __name__ == "__main__":
    main()
