"""What a run writes beside its weights: its log, and its configuration, which its folder is held to."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.data.augment import InputChoice
from training.network.options import TrainConfig
from training.provenance.revision import training_commit

LOG_FIELDS = (
    "step", "phase", "loss", "learning_rate", "images_per_s", "eer", "tar_at_far_1e_2",
    "tar_at_far_1e_3", "hard_eer", "hard_tar_at_far_1e_2", "hard_tar_at_far_1e_3", "genuine_mean",
    "impostor_mean", "hard_mean", "score",
)  # fmt: skip

COMMIT_KEYS = ("training_commit", "resumed_at")
"""Of ``config.json``: which code ran, besides what it was told."""


class Log:
    """Log of a run: figures by step, as CSV."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def truncate(self, step: int) -> None:
        """Drop what was logged after a step: those steps are run again."""
        kept = []
        if self._path.exists():
            with self._path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        with self._path.open("w", newline="") as file:
            writer = csv.DictWriter(file, LOG_FIELDS)
            writer.writeheader()
            writer.writerows(kept)

    def append(self, **values: Any) -> None:
        """Add a row; floats to six digits."""
        row = {name: values.get(name) for name in LOG_FIELDS}
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, LOG_FIELDS).writerow(
                {name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()}
            )


def inputs_of(config: dict[str, Any]) -> InputChoice:
    """Inputs that the network of a run is given, from its ``config.json``; older runs have all."""
    return InputChoice(config.get("inputs", "both"), config.get("hair_band", True))


def read_config(run: Path) -> dict[str, Any]:
    """Read the configuration of a run, as `pin_config` or an ensemble wrote it down."""
    config: dict[str, Any] = json.loads((run / "config.json").read_text())
    return config


def pin_config(path: Path, config: TrainConfig) -> None:
    """Write the configuration and the commit, or check that the folder's run has the same configuration.

    A run that goes on at another commit keeps the one it began with, and lists the others.
    """
    commit = training_commit()
    content = json.loads(json.dumps(asdict(config)))  # tuples become lists, as in the file
    if path.exists():
        begun = json.loads(path.read_text())
        commits = {key: begun.pop(key) for key in COMMIT_KEYS if key in begun}
        if begun != content:
            message = f"{path.parent} holds a run of another configuration; choose another --out"
            raise ValueError(message)
        resumed = commits.get("resumed_at", [])
        if commit not in (commits.setdefault("training_commit", "unknown"), *resumed):
            commits["resumed_at"] = [*resumed, commit]
        content |= commits
    else:
        content["training_commit"] = commit
    path.write_text(json.dumps(content, indent=2) + "\n")
