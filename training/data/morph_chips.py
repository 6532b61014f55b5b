"""Chips of morphs (`training.scenes.morphs`) on disk: many people, each from all sides.

``python -m training.data.morph_chips --out build/training/morphs`` makes them (goes on where it was
interrupted). A shard (`*.npz`) holds ``chip`` (n, 3, 150, 150) uint8, ``identity`` (n,) int32 and
``infrared`` (n,) bool. They are made of photographs of real people: treat them as the portraits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training.data.portrait_chips import cut_chip
from training.data.raw import write_arrays
from training.data.workers import studio, worker_pool
from training.heads.ict import DEFAULT_PATH, ParametricHead
from training.scenes.morphs import Morph, Rng, Sitter, draw_morph, sitters, take_photograph

DEFAULT_FOLDER: Final = Path("build/training/morphs")
PEOPLE: Final = 960
PHOTOGRAPHS: Final = 8
PEOPLE_PER_SHARD: Final = 60
JITTER_PX: Final = 1.8
"""Deviation of each point that a chip is cut by, as the aligner is off."""
_SEED: Final = 71_100


@dataclass(frozen=True, eq=False)
class MorphChips:
    """Chips of morphs.

    Attributes
    ----------
    chips : (N, 3, 150, 150) uint8.
    identities : (N,) int32.
    infrared : (N,) bool.
    """

    chips: NDArray[np.uint8]
    identities: NDArray[np.int32]
    infrared: NDArray[np.bool_]

    @classmethod
    def read(cls, folder: Path) -> MorphChips:
        """Read all shards of a folder.

        Raises
        ------
        FileNotFoundError
            There is none.
        """
        paths = sorted(folder.glob("shard-*.npz"))
        if not paths:
            message = f"no shard-*.npz in {folder}: python -m training.data.morph_chips makes them"
            raise FileNotFoundError(message)
        parts = []
        for path in paths:
            with np.load(path) as file:
                parts.append((file["chip"], file["identity"], file["infrared"]))
        return cls(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _make_person(number: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Photograph one person, the same whatever was made before: chips, and which are infrared."""
    rng = np.random.default_rng([_SEED, number])
    head, people = studio().head, sitters()
    morph = draw_morph(rng, head, people)
    chips, infrared = [], []
    for _ in range(PHOTOGRAPHS):
        chip, is_infrared = photograph(rng, head, morph, people)
        chips.append(chip[:, :, ::-1] if number % 2 else chip)
        infrared.append(is_infrared)
    return np.array(chips), np.array(infrared)


def photograph(
    rng: Rng, head: ParametricHead, morph: Morph, behind: Sequence[Sitter], *, infrared: bool | None = None
) -> tuple[NDArray[np.uint8], bool]:
    """Photograph somebody and cut the chip (3, 150, 150) out, off by as much as the aligner is."""
    taken = take_photograph(rng, head, morph, behind, infrared=infrared)
    points = taken.points_px + rng.normal(0.0, JITTER_PX, taken.points_px.shape)
    return cut_chip(taken.picture, points), taken.infrared


def make(folder: Path, people: int, processes: int, head: Path = DEFAULT_PATH) -> None:
    """Make the missing shards."""
    shards = {
        folder / f"shard-{start:06d}.npz": range(start, min(start + PEOPLE_PER_SHARD, people))
        for start in range(0, people, PEOPLE_PER_SHARD)
    }
    missing = {path: span for path, span in shards.items() if not path.exists()}
    numbers = [number for span in missing.values() for number in span]
    with worker_pool(processes, head) as pool:
        made = iter(track(pool.imap(_make_person, numbers, chunksize=4), "photographs", len(numbers)))
        for path, span in missing.items():
            parts = [next(made) for _ in span]
            write_arrays(
                path,
                {
                    "chip": np.concatenate([chips for chips, _ in parts]),
                    "identity": np.repeat(np.array(span, np.int32), PHOTOGRAPHS),
                    "infrared": np.concatenate([infrared for _, infrared in parts]),
                },
            )


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    make(given.out, given.people, given.processes)


if __name__ == "__main__":
    main()
