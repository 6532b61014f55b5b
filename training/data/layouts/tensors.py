"""From a set of real captures to shards of tensors and chips, by the package's own aligner.

The shards are kept in the run's folder, ``tensors/train`` and ``tensors/val``, in the form of the rendered
ones: `training.network.joined`, `training.reports.evaluate`, `training.reports.baseline` and
`training.ship.export` take ``RUN/tensors`` as their data. They hold faces of real people: treat them as you
treat the set.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE, NoFace
from training.data.batches import TensorSet, load_split
from training.data.layouts.reading import Captures, note_on_figures
from training.provenance.aligner import aligner_digest

HELD_OUT_SHARE = 0.25
SPLIT_SEED = 0
NOTE = "captures.json"


def load_captures(root: Path, layout: str, folder: Path) -> tuple[TensorSet, TensorSet]:
    """Align a set of real captures: tensors for training, and of other people for validation.

    What an earlier call left in ``folder`` is used again if it is of the same set and aligner. One line
    on damaged files and one on the aligner's outcomes go to standard error, and what is to be known of
    figures on people who trained the model that ships.

    Parameters
    ----------
    root, layout : the set, see `training.data.layouts.reading`.
    folder : for the shards and a note of what was read, skipped and refused (``captures.json``).

    Raises
    ------
    ValueError
        Fewer than 4 people have 2 aligned captures.
    SourceError
        The folder cannot be read or holds no capture.
    """
    note, key = folder / NOTE, {"data": str(root.resolve()), "layout": layout, "aligner": aligner_digest()}
    if not note.exists() or {name: json.loads(note.read_text()).get(name) for name in key} != key:
        folder.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        content = key | _write_shards(Captures(root, layout), folder, key["aligner"])
        note.write_text(json.dumps(content, indent=1) + "\n")
    content = json.loads(note.read_text())
    print(f"{content['summary']}\naligner: {content['outcomes']}", file=sys.stderr)
    if figures := note_on_figures(root, layout):
        print(f"figures: {figures}", file=sys.stderr)
    return load_split(folder)


def _write_shards(captures: Captures, folder: Path, aligner: str) -> dict[str, object]:
    """Align everything, split the people, write; return what there is to say about it."""
    aligned = align_captures(captures)
    people, outcomes = aligned.people, dict(aligned.outcomes)
    for error in captures.damaged:
        print(f"skipped: {error}", file=sys.stderr)
    usable = [name for name, count in sorted(Counter(people).items()) if count >= 2]
    if len(usable) < 4:
        message = (
            f"{captures.root}: expected 4 or more people with 2 or more aligned captures, got {len(usable)} "
            f"({captures.read} captures read, {len(captures.damaged)} damaged; aligner: {outcomes})"
        )
        raise ValueError(message)
    held = held_out(usable)
    number = {name: index for index, name in enumerate(usable)}
    for split, chosen in (("train", set(usable) - held), ("val", held)):
        mask = np.array([name in chosen for name in people])
        (folder / split).mkdir(exist_ok=True)
        np.savez(
            folder / split / "captures.npz",
            tensor=aligned.tensors[mask],
            chip=aligned.chips[mask],
            identity=np.array([number[name] for name in people if name in chosen], np.int32),
            modality=aligned.modalities[mask],
            capture=np.array([name for name, kept in zip(aligned.names, mask, strict=True) if kept]),
            aligner=np.array(aligner),
        )
    return {
        "summary": captures.summary(),
        "outcomes": outcomes,
        "damaged": [str(error) for error in captures.damaged],
        "people": usable,
        "held_out": sorted(held),
    }


@dataclass(frozen=True, eq=False)
class Aligned:
    """Captures on which a face was found.

    Attributes
    ----------
    tensors : (N, 4, 72, 64) float16.
    chips : (N, 3, 150, 150) uint8.
    people : who is on each.
    names : of the captures, with their person's.
    modalities : (N,) int32; 0 infrared, 1 colour.
    outcomes : of all captures, those without a face too, counted.
    """

    tensors: NDArray[np.float16]
    chips: NDArray[np.uint8]
    people: list[str]
    names: list[str]
    modalities: NDArray[np.int32]
    outcomes: Counter[str]


def align_captures(captures: Captures) -> Aligned:
    """Align captures by the package's own aligner."""
    aligner = FaceAligner.bundled()
    outcomes: Counter[str] = Counter()
    tensors, chips, people, names, modalities = [], [], [], [], []
    for identity, name, frame in captures:
        face = aligner.align(frame)
        if isinstance(face, NoFace):
            outcomes[str(face.outcome)] += 1
            continue
        outcomes["aligned"] += 1
        tensors.append(face.tensor.astype(np.float16))
        chips.append(face.chip)
        people.append(identity)
        names.append(f"{identity}/{name}")
        modalities.append(0 if frame.color is None else 1)
    return Aligned(
        np.array(tensors, np.float16).reshape(-1, *TENSOR_SHAPE),
        np.array(chips, np.uint8).reshape(-1, *CHIP_SHAPE),
        people,
        names,
        np.array(modalities, np.int32),
        outcomes,
    )


def held_out(people: list[str]) -> set[str]:
    """Draw the people held out of a fine-tune by a fixed seed: a quarter, at least two."""
    count = max(2, round(HELD_OUT_SHARE * len(people)))
    drawn = np.random.default_rng(SPLIT_SEED).choice(len(people), count, replace=False)
    return {people[index] for index in drawn}
