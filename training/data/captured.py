"""Captures of real people as the network sees them: aligned tensors and chips, in one file.

``python -m training.data.captured --data ../shared/data/kinect_v2 --out build/training/captured.npz`` aligns
them by the package's own aligner. They are faces: treat the file as the captures.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import NoFace
from training.data.layouts.reading import LAYOUTS, Captures
from training.data.raw import write_arrays
from training.provenance.aligner import aligner_digest

EXPRESSIONS = 6
"""Of each pose; a capture's number is pose * 6 + expression."""
ENROLLED_EXPRESSION = 2
"""Its captures, one of each pose, are enrolled in the unlock protocol; the others are attempts."""


@dataclass(frozen=True, eq=False)
class Captured:
    """Aligned captures of real people.

    Attributes
    ----------
    tensors : (N, 4, 72, 64) float16.
    chips : (N, 3, 150, 150) uint8.
    people : (N,) str, who is on each.
    names : (N,) str, the captures' own names.
    modalities : (N,) int32; 0 infrared, 1 colour.
    aligner : which aligner made them.
    """

    tensors: NDArray[np.float16]
    chips: NDArray[np.uint8]
    people: NDArray[np.str_]
    names: NDArray[np.str_]
    modalities: NDArray[np.int32]
    aligner: str

    def __len__(self) -> int:
        """How many captures."""
        return len(self.people)

    def are_enrolled(self) -> NDArray[np.bool_]:
        """Tell which captures the unlock protocol enrols: (N,); see `ENROLLED_EXPRESSION`."""
        return np.array([int(name) % EXPRESSIONS == ENROLLED_EXPRESSION for name in self.names])

    def without(self, people: Collection[str]) -> Captured:
        """Leave people out.

        Raises
        ------
        ValueError
            There are no captures of one of them: a figure on people left out would be none.
        """
        unknown = sorted(set(people) - set(self.people.tolist()))
        if unknown:
            message = f"expected people of {sorted(set(self.people.tolist()))}, got {unknown}"
            raise ValueError(message)
        kept = ~np.isin(self.people, sorted(people))
        return Captured(
            self.tensors[kept],
            self.chips[kept],
            self.people[kept],
            self.names[kept],
            self.modalities[kept],
            self.aligner,
        )


def load_captured(path: Path, leave_out: Collection[str] = ()) -> Captured:
    """Read what this module wrote, without some of the people.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        One of the people left out is not in it.
    """
    with np.load(path) as file:
        captured = Captured(
            file["tensor"],
            file["chip"],
            file["person"],
            file["name"],
            file["modality"],
            str(file["aligner"]),
        )
    return captured.without(leave_out)


def align_captured(captures: Captures) -> tuple[Captured, Counter[str]]:
    """Align captures; those without a face are left out, and counted by outcome."""
    aligner = FaceAligner.bundled()
    outcomes: Counter[str] = Counter()
    crops, people, names, modalities = [], [], [], []
    for person, name, frame in captures:
        face = aligner.align(frame)
        if isinstance(face, NoFace):
            outcomes[str(face.outcome)] += 1
            continue
        outcomes["aligned"] += 1
        crops.append(face)
        people.append(person)
        names.append(name)
        modalities.append(0 if frame.color is None else 1)
    captured = Captured(
        np.array([crop.tensor for crop in crops], np.float16),
        np.array([crop.chip for crop in crops], np.uint8),
        np.array(people),
        np.array(names),
        np.array(modalities, np.int32),
        aligner_digest(),
    )
    return captured, outcomes


def main() -> None:
    """Align a set and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the captures")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="kinect_v2")
    parser.add_argument("--out", type=Path, default=Path("build/training/captured.npz"))
    arguments = parser.parse_args()
    captures = Captures(arguments.data, arguments.layout)
    captured, outcomes = align_captured(captures)
    write_arrays(
        arguments.out,
        {
            "tensor": captured.tensors,
            "chip": captured.chips,
            "person": captured.people,
            "name": captured.names,
            "modality": captured.modalities,
            "aligner": np.array(captured.aligner),
        },
    )
    print(f"{captures.summary()}; {dict(outcomes)}")


if __name__ == "__main__":
    main()
