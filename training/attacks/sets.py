"""Rendered attacks on disk: raw captures by species, each presentation with its number.

``python -m training.attacks.sets`` renders them below ``FOLDER/attacks`` (goes on where it was interrupted).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from training.attacks.species import SPECIES, Stage
from training.data.batches import MODALITIES
from training.data.build import DEFAULT_FOLDER, make_identity
from training.data.config import TEST
from training.data.raw import RawShard, raw_shards
from training.data.workers import studio, worker_pool
from training.heads.ict import DEFAULT_PATH
from training.people.person import Studio
from training.scenes.capture import Capture

PER_SHARD = 100
_SEED = 72_001
VICTIMS = 200
"""How many people are imitated, each several times; the attackers are as many others."""


def cast(species: str, number: int) -> tuple[np.random.Generator, int, int]:
    """Draw who takes part in a presentation.

    Returns
    -------
    The random stream for the rest of the presentation, and the indices of victim and attacker in `TEST`.
    """
    rng = np.random.default_rng([_SEED, *(ord(letter) for letter in species), number])
    return rng, int(rng.integers(VICTIMS)), VICTIMS + int(rng.integers(VICTIMS))


def present(studio: Studio, species: str, number: int) -> list[Capture]:
    """Render the frames of one presentation: even numbers in infrared, odd ones in colour."""
    rng, victim, attacker = cast(species, number)
    people = [make_identity(studio, TEST, index)[0] for index in (victim, attacker)]
    stage = Stage.draw(rng, studio, MODALITIES[number % len(MODALITIES)])
    return SPECIES[species](rng, stage, *people)


def shards(folder: Path, species: str) -> Iterator[RawShard]:
    """Yield the rendered shards of a species; their ``identity`` is the number of the presentation."""
    for path in raw_shards(folder / "attacks" / species):
        yield RawShard.read(path)


def render(folder: Path, species: str, presentations: int, head: Path, processes: int) -> None:
    """Render presentations into raw shards below ``folder/attacks/species``; existing shards are kept."""
    target = folder / "attacks" / species
    missing = {
        target / f"shard-{start:06d}.npz": range(start, min(start + PER_SHARD, presentations))
        for start in range(0, presentations, PER_SHARD)
    }
    missing = {path: span for path, span in missing.items() if not path.exists()}
    jobs = [(species, number) for span in missing.values() for number in span]
    with worker_pool(processes, head) as pool:
        rendered = iter(track(pool.imap(_job, jobs, chunksize=4), f"render {species}", len(jobs)))
        for path, span in missing.items():
            captures, numbers = [], []
            for number in span:
                frames = next(rendered)
                captures += frames
                numbers += [number] * len(frames)
            RawShard.of(captures, numbers, [-1] * len(numbers)).write(path)


def _job(job: tuple[str, int]) -> list[Capture]:
    return present(studio(), *job)


def main() -> None:
    """Render attacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--species", nargs="+", choices=list(SPECIES), default=list(SPECIES))
    parser.add_argument("--presentations", type=int, default=1000, help="of each species")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    for species in arguments.species:
        render(arguments.folder, species, arguments.presentations, arguments.head, arguments.processes)


if __name__ == "__main__":
    main()
