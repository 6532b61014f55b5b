"""Figures on portraits of people held back, over rendered shapes: real strangers in colour.

``python -m training.reports.portraits --data DIR --photographs FILE --json FILE`` asks the package's model
the three questions of a device. Nobody of these people has been seen: not by the projection of pictures, not
by the threshold; and the rendered shapes are those of a test set, each with the kind of pictures that it is
measured in (``--split test`` is infrared, ``test_color`` colour). There are two kinds of attempts:

- ``smiling``: the neutral portrait enrols, the smiling one asks;
- ``turned``: photographs of the neutral portrait on its fitted head, turned, moved and lit
  (`training.data.photographed`), some enrol and the others ask.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.pad import ErrorRate
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embeddings
from faceid_fast.matching.keys import KeyLimits
from training.data.batches import MODALITIES, TensorSet, load_shards
from training.data.photographed import Photographs
from training.data.portrait_chips import load_portrait_chips
from training.fitted.attempts import REFERENCES, nearest

SHAPES_EACH: Final = 8
"""Rendered shapes that every person is measured over, one after the other; fewer in a small set."""
COLOR: Final = "color"


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody's chips: (n, 3, 150, 150) uint8 that enrol, and that ask."""

    enrolled: NDArray[np.uint8]
    asking: NDArray[np.uint8]


def smiling_people() -> list[Person]:
    """Everybody held back of whom there is a smiling portrait."""
    held = load_portrait_chips().of(held=True)
    each = [held.chips[held.people == name] for name in np.unique(held.people)]
    return [Person(chips[:1], chips[1:]) for chips in each if len(chips) > 1]


def turned_people(photographs: Photographs, modality: str) -> list[Person]:
    """Everybody held back, by their turned photographs of one modality."""
    held = photographs.of(held=True)
    seen = held.modalities == MODALITIES.index(modality)
    each = [held.chips[seen & (held.people == person)] for person in np.unique(held.people)]
    return [Person(chips[:REFERENCES], chips[REFERENCES:]) for chips in each]


def measure(people: Sequence[Person], shapes: TensorSet, modality: str, embedder: Embedder) -> dict[str, Any]:
    """Ask for everybody in turn, as themselves and as everybody else."""
    contract = embedder.contract
    limits = KeyLimits.by_modality(contract.key_limits)[modality]
    asked = {"joined": contract.thresholds[modality], "shape": limits.shape, "picture": limits.picture}
    counts = {"honest": 0, "refused": 0, "strangers": 0, "accepted": 0}
    bodies = np.unique(shapes.identities)
    for round_ in range(min(SHAPES_EACH, len(bodies) // len(people))):
        of_round = bodies[round_ * len(people) : (round_ + 1) * len(people)]
        enrolled, asking = [], []
        for body, person in zip(of_round, people, strict=True):
            tensors = shapes.tensors[shapes.identities == body].astype(np.float32)
            parts = (tensors[:REFERENCES], person.enrolled), (tensors[REFERENCES:], person.asking)
            references, attempts = (_embed(embedder, *part) for part in parts)
            enrolled.append(references)
            asking.append(attempts)
        for owner, references in enumerate(enrolled):
            for who, attempts in enumerate(asking):
                agreed = np.ones(len(attempts), np.bool_)
                for name, limit in asked.items():
                    agreed &= nearest(getattr(references, name), getattr(attempts, name)) <= limit
                kind, wrong = ("honest", ~agreed) if who == owner else ("strangers", agreed)
                counts[kind] += len(agreed)
                counts["refused" if who == owner else "accepted"] += int(wrong.sum())
    refused = ErrorRate.of(counts["refused"], counts["honest"])
    accepted = ErrorRate.of(counts["accepted"], counts["strangers"])
    return {
        "people": len(people),
        **counts,
        "refused_share": refused.rate,
        "accepted_share": accepted.rate,
    }


def _embed(embedder: Embedder, tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> Embeddings:
    """Embed tensors with chips in turn."""
    return embedder.embed(tensors, np.ascontiguousarray(np.resize(chips, (len(tensors), *chips.shape[1:]))))


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="an exported model; the package's own")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--split", default="test", help="whose shapes; test")
    parser.add_argument(
        "--photographs", type=Path, required=True, help="what training.data.photographed took"
    )
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    if given.model is None:
        embedder = Embedder.bundled()
    else:
        embedder = Embedder(given.model, sha256=hashlib.sha256(given.model.read_bytes()).hexdigest())
    shapes = load_shards(given.data / given.split)
    of_modality = {name: shapes.subset(rows) for name, rows in shapes.rows_of_modalities().items()}
    photographs = Photographs.read(given.photographs)
    found: dict[str, Any] = {"model": embedder.contract.model_id, "split": given.split}
    if COLOR in of_modality:
        found["smiling, color"] = measure(smiling_people(), of_modality[COLOR], COLOR, embedder)
    for modality, bodies in of_modality.items():
        found[f"turned, {modality}"] = measure(
            turned_people(photographs, modality), bodies, modality, embedder
        )
    text = json.dumps(found, indent=2) + "\n"
    given.json.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
