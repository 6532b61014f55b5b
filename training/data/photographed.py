"""Photographed people: rendered shapes, seen by every camera, under photographs of real faces.

The shape's tower sees the depth alone and the picture's the chip alone, so a person can be put together of a
rendered one's tensors and somebody's photographs: what renders lack (pictures that are faces) and what
portraits lack (depth, other captures) both are there. ``python -m training.data.photographed --out FILE``
takes the photographs: of the people of every portrait, unmixed, turned, moved and lit as those of
`training.scenes.morphs` are. They are photographs of real people: treat them as the portraits.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training.data.batches import MODALITIES, TensorSet
from training.data.morph_chips import photograph
from training.data.raw import write_arrays
from training.data.workers import studio, worker_pool
from training.heads.ict import DEFAULT_PATH
from training.scenes.morphs import draw_sitter, sitters

DEFAULT_FILE: Final = Path("build/training/photographs.npz")
PHOTOGRAPHS: Final = 20
_SEED: Final = 71_200


@dataclass(frozen=True, eq=False)
class Photographs:
    """Chips of people's photographs.

    Attributes
    ----------
    chips : (N, 3, 150, 150) uint8.
    people : (N,) int32, numbers of the sitters.
    modalities : (N,) int32, as a `TensorSet` has them.
    held : (N,) bool, whether the projection of pictures knows nothing of the person.
    """

    chips: NDArray[np.uint8]
    people: NDArray[np.int32]
    modalities: NDArray[np.int32]
    held: NDArray[np.bool_]

    @classmethod
    def read(cls, path: Path) -> Photographs:
        """Read what `make` wrote."""
        with np.load(path) as file:
            return cls(file["chip"], file["identity"], file["modality"], file["held"])

    def of(self, *, held: bool) -> Photographs:
        """Those of the people whom the projection of pictures knows, or of the others."""
        chosen = self.held == held
        return Photographs(
            self.chips[chosen], self.people[chosen], self.modalities[chosen], self.held[chosen]
        )


def photographed(rendered: TensorSet, photographs: Photographs, seed: int = 0) -> TensorSet:
    """Give rendered people photographs for pictures; ``clusters`` says whose.

    Everybody rendered gets one person's photographs, of the modality of each capture. There are fewer of
    these than of the rendered: two with the same cluster are no strangers.
    """
    rng = np.random.default_rng(seed)
    people = np.unique(photographs.people)
    chips = np.empty((len(rendered), *photographs.chips.shape[1:]), np.uint8)
    clusters = np.empty(len(rendered), np.int32)
    for number, identity in enumerate(np.unique(rendered.identities)):
        person = people[number % len(people)]
        rows = np.flatnonzero(rendered.identities == identity)
        clusters[rows] = person
        for modality in np.unique(rendered.modalities[rows]):
            seen = rows[rendered.modalities[rows] == modality]
            own = np.flatnonzero((photographs.people == person) & (photographs.modalities == modality))
            chips[seen] = photographs.chips[rng.permutation(np.resize(own, len(seen)))]
    return replace(rendered, chips=chips, clusters=clusters)


def _make_person(place: tuple[str, int]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Photograph a sitter: chips, and their modalities; as many of each."""
    set_name, number = place
    rng = np.random.default_rng([_SEED, set_name == "held", number])
    head, people = studio().head, sitters(set_name=set_name)
    sitter = draw_sitter(rng, people[number])
    modalities = np.arange(PHOTOGRAPHS, dtype=np.int32) % len(MODALITIES)
    chips = [
        photograph(rng, head, sitter, people, infrared=MODALITIES[modality] == "infrared")[0]
        for modality in modalities
    ]
    return np.array(chips), modalities


def make(path: Path, processes: int, head: Path = DEFAULT_PATH) -> None:
    """Take all photographs."""
    places = [(name, number) for name in ("train", "held") for number in range(len(sitters(set_name=name)))]
    with worker_pool(processes, head) as pool:
        made = list(track(pool.imap(_make_person, places, chunksize=2), "photographs", len(places)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(
        path,
        {
            "chip": np.concatenate([chips for chips, _ in made]),
            "identity": np.repeat(np.arange(len(places), dtype=np.int32), PHOTOGRAPHS),
            "modality": np.concatenate([modalities for _, modalities in made]),
            "held": np.repeat(np.array([name == "held" for name, _ in places]), PHOTOGRAPHS),
        },
    )


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_FILE)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    make(given.out, given.processes)


if __name__ == "__main__":
    main()
