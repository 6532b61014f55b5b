"""What thresholds and limits learn from captured people: distances by networks that had left them out.

``python -m training.reports.left_out --captured FILE --folds RUN RUN RUN --out FILE`` takes what
`training.network.joined` wrote with ``--leave-out`` for every fold. Each network measures the people whom it
has not seen: their honest attempts, and strangers' attempts of which at least one side was left out. The
model that ships has seen all of them: its own distances on them would be too small.
"""

from __future__ import annotations

import argparse
import os
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
from training.network.run_folder import read_config
from training.network.train import load_best

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Distances of the unlock protocol: attempts to the nearest of a person's references.

    Attributes
    ----------
    honest : for every output of the network (n,): attempts of people left out, to their own references.
    strangers : (n,) joined distances of attempts to somebody else's references, one side left out or both.
    """

    honest: dict[str, Floats]
    strangers: Floats

    @classmethod
    def read(cls, path: Path) -> LeftOut:
        """Read what `write` wrote."""
        with np.load(path) as file:
            return cls({name: file[f"honest_{name}"] for name in OUTPUTS}, file["strangers"])

    def write(self, path: Path) -> None:
        """Write the distances."""
        named = {f"honest_{name}": values for name, values in self.honest.items()}
        write_arrays(path, {**named, "strangers": self.strangers})


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


def measure_fold(rows: dict[str, Floats], captured: Captured, left_out: list[str]) -> LeftOut:
    """Distances of the unlock protocol in one fold."""
    enrolled = captured.are_enrolled()
    honest: dict[str, list[Floats]] = {name: [] for name in OUTPUTS}
    strangers = []
    for person in np.unique(captured.people):
        own = captured.people == person
        references, attempts = own & enrolled, ~enrolled
        nearest = {name: _nearest(each[references], each[attempts]) for name, each in rows.items()}
        asking = captured.people[attempts]
        if person in left_out:
            for name in OUTPUTS:
                honest[name].append(nearest[name][asking == person])
        apart = (asking != person) & (np.isin(asking, left_out) | (person in left_out))
        strangers.append(nearest["embedding"][apart])
    return LeftOut(
        {name: np.concatenate([np.empty(0), *found]) for name, found in honest.items()},
        np.concatenate(strangers),
    )


def _nearest(references: Floats, attempts: Floats) -> Floats:
    return np.sqrt(np.maximum(2.0 - 2.0 * (attempts @ references.T).max(axis=1), 0.0))


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
    each = [
        measure_fold(rows_of(load_best(fold), captured), captured, left_out)
        for fold, left_out in named.items()
    ]
    return LeftOut(
        {name: np.concatenate([fold.honest[name] for fold in each]) for name in OUTPUTS},
        np.concatenate([fold.strangers for fold in each]),
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
    lowest = [0.0, 0.001, 0.01]
    print(f"strangers, quantiles {lowest}: {np.quantile(found.strangers, lowest).round(3)}")


if __name__ == "__main__":
    main()
