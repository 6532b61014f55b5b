"""What thresholds and limits learn from captured people: distances by networks that had left them out.

``python -m training.reports.left_out --captured FILE --folds RUN RUN RUN --out FILE`` takes what
`training.network.joined` wrote with ``--leave-out`` for every fold. Each network measures the people whom it
has not seen: their honest attempts, and pairs of strangers of whom at least one was left out. The model that
ships has seen all of them: its own distances on them would be too small.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.model_contract import KEYS, OUTPUTS
from training.data.captured import Captured, load_captured
from training.data.raw import write_arrays
from training.fitted.attempts import nearest
from training.network.joined import load_joined
from training.network.run_folder import read_config

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Distances of people left out.

    Attributes
    ----------
    honest : for every output of the network (n,): attempts of people left out to the nearest of their own
        references, as the unlock protocol has them.
    honest_people : (n,) str, whose.
    strangers : (m,) joined distances of single pairs of captures of two people, one left out or both.
    first, second : (m,) str, whose captures.
    """

    honest: dict[str, Floats]
    honest_people: NDArray[np.str_]
    strangers: Floats
    first: NDArray[np.str_]
    second: NDArray[np.str_]

    @classmethod
    def read(cls, path: Path) -> LeftOut:
        """Read what `write` wrote."""
        with np.load(path) as file:
            honest = {name: file[f"honest_{name}"] for name in OUTPUTS}
            return cls(honest, file["honest_people"], file["strangers"], file["first"], file["second"])

    @classmethod
    def joined(cls, parts: Sequence[LeftOut]) -> LeftOut:
        """Put several together."""
        return cls(
            {name: np.concatenate([part.honest[name] for part in parts]) for name in OUTPUTS},
            np.concatenate([part.honest_people for part in parts]),
            np.concatenate([part.strangers for part in parts]),
            np.concatenate([part.first for part in parts]),
            np.concatenate([part.second for part in parts]),
        )

    def write(self, path: Path) -> None:
        """Write the arrays."""
        named = {f"honest_{name}": values for name, values in self.honest.items()}
        rest = {
            "honest_people": self.honest_people,
            "strangers": self.strangers,
            "first": self.first,
            "second": self.second,
        }
        write_arrays(path, named | rest)

    def without(self, people: Collection[str]) -> LeftOut:
        """Leave out everything that some people had a part in: thresholds for figures on them."""
        listed = sorted(people)
        honest = ~np.isin(self.honest_people, listed)
        strangers = ~np.isin(self.first, listed) & ~np.isin(self.second, listed)
        return LeftOut(
            {name: values[honest] for name, values in self.honest.items()},
            self.honest_people[honest],
            self.strangers[strangers],
            self.first[strangers],
            self.second[strangers],
        )


def rows_of(network: keras.Model, captured: Captured, batch: int = 32) -> dict[str, Floats]:
    """Embed captures with a joined network: rows of every output."""
    parts = [
        network(
            {
                "tensor": captured.tensors[at : at + batch].astype(np.float32),
                "chip": captured.chips[at : at + batch],
            },
            training=False,
        )
        for at in range(0, len(captured), batch)
    ]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in OUTPUTS}


def measure_fold(rows: dict[str, Floats], captured: Captured, left_out: Collection[str]) -> LeftOut:
    """Measure the people left out of a fold: their honest attempts, and every pair with somebody else."""
    enrolled = captured.are_enrolled()
    honest: dict[str, list[Floats]] = {name: [] for name in OUTPUTS}
    whose = []
    for person in sorted(left_out):
        own = captured.people == person
        for name, each in rows.items():
            honest[name].append(nearest(each[own & enrolled], each[own & ~enrolled]))
        whose.append(captured.people[own & ~enrolled])
    joined = rows["embedding"]
    distances = np.sqrt(np.maximum(2.0 - 2.0 * joined @ joined.T, 0.0))
    first, second = np.triu_indices(len(joined), 1)
    one, other = captured.people[first], captured.people[second]
    listed = sorted(left_out)
    apart = (one != other) & (np.isin(one, listed) | np.isin(other, listed))
    return LeftOut(
        {name: np.concatenate(parts) for name, parts in honest.items()},
        np.concatenate(whose),
        distances[first, second][apart],
        one[apart],
        other[apart],
    )


def measure(captured: Captured, folds: list[Path]) -> LeftOut:
    """Measure all folds.

    Raises
    ------
    ValueError
        Somebody is left out by no fold, or by two.
    """
    named = {fold: list(read_config(fold)["left_out"]) for fold in folds}
    everybody = sorted(person for left_out in named.values() for person in left_out)
    wanted = np.unique(captured.people).tolist()
    if everybody != wanted:
        message = f"folds: expected each of {wanted} to be left out once, got {everybody}"
        raise ValueError(message)
    return LeftOut.joined(
        [
            measure_fold(rows_of(load_joined(fold), captured), captured, left_out)
            for fold, left_out in named.items()
        ]
    )


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--captured", type=Path, required=True, help="what training.data.captured wrote")
    parser.add_argument("--folds", type=Path, nargs="+", required=True, help="runs that left people out")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    found = measure(load_captured(given.captured), given.folds)
    found.write(given.out)
    shares = [0.5, 0.9, 0.99, 0.995]
    for name in ("embedding", *KEYS):
        print(f"honest {name}, quantiles {shares}: {np.quantile(found.honest[name], shares).round(3)}")
    lowest = [0.0, 0.0001, 0.001, 0.01]
    print(f"strangers, quantiles {lowest}: {np.quantile(found.strangers, lowest).round(3)}")


if __name__ == "__main__":
    main()
