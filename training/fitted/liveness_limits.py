"""What a live face must reach: the least value of every cue, from rendered live faces.

``python -m training.fitted.liveness_limits --data build/training/tensors`` reads the aligned validation sets
and writes ``models/liveness.json``. No attack is looked at. Every cue's limit is the largest value that
refuses at most `CUE_FALSE_REJECTION` of the faces of any set that were aligned well; the limit of the score
is the largest with which all limits together refuse at most `FALSE_REJECTION` of any set: no kind of camera
pays for another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.liveness_limits import (
    BUNDLED_LIMITS,
    CUES,
    SCHEMA_VERSION,
    SCORE,
    Limits,
    likeness_of,
)
from faceid_fast.face.model_contract import served_preprocessing
from training.data.build import MISALIGNED_DEG, MISALIGNED_MM
from training.provenance.models_manifest import record_model
from training.provenance.revision import ROOT, training_commit

MODELS: Final = ROOT / "python" / "faceid_fast" / "models"
CALIBRATION_SETS: Final = ("val", "val_cameras", "val_wide", "val_blurred", "val_populations")
CUE_FALSE_REJECTION: Final = 0.0005
"""Share of well aligned live faces that one cue may refuse."""
FALSE_REJECTION: Final = 0.0025
"""The same of all figures together. So few, because real faces vary more than rendered ones: half of the one
in two hundred that is aimed at is left to what renders lack."""
ROOM: Final = {"noise_mm": 0.2, "contrast": 0.7}
"""Cues that the camera decides more than the face: this share of what rendered cameras have is enough."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LiveFaces:
    """Cues of rendered live faces.

    Attributes
    ----------
    cues : (n, 7) in the order of `CUES`.
    fit_score : (n,) as `faceid_fast.face.crop.FaceCrop.fit_score`.
    aligned : (n,) bool, whether the aligner was right; where it was not, the cues say nothing about faces.
    """

    cues: Floats
    fit_score: Floats
    aligned: NDArray[np.bool_]


def load_live(data: Path, names: tuple[str, ...]) -> dict[str, LiveFaces]:
    """Read sets of rendered faces with their cues, as `training.data.build align` writes them.

    Raises
    ------
    FileNotFoundError
        If there is one of which nothing is there.
    """
    found = {}
    for name in names:
        cues, scores, aligned = [], [], []
        for path in sorted((data / name).glob("*.npz")):
            with np.load(path) as shard:
                cues.append(shard["cues"].astype(np.float64))
                scores.append(shard["fit_score"].astype(np.float64))
                off = (shard["eye_error_mm"] > MISALIGNED_MM) | (shard["rotation_error_deg"] > MISALIGNED_DEG)
                aligned.append(~off)
        if not cues:
            message = f"no aligned set {name} below {data}"
            raise FileNotFoundError(message)
        found[name] = LiveFaces(np.concatenate(cues), np.concatenate(scores), np.concatenate(aligned))
    return found


def figures(live: LiveFaces) -> Floats:
    """Cues with the score beside them: (n, 8), in the order of `face.liveness_limits.FIGURES`."""
    shape = (live.cues[:, CUES.index(name)] for name in ("agreement", "structure"))
    likeness = [likeness_of(*parts) for parts in zip(*shape, live.fit_score, strict=True)]
    return np.column_stack([live.cues, likeness])


def least_of(sets: Iterable[LiveFaces]) -> dict[str, float]:
    """Find the least value of each cue and of the score, with which none of the sets is refused too often.

    Misaligned faces have no say.
    """
    good = [figures(live)[live.aligned] for live in sets]
    quantiles = [np.quantile(each[:, :-1], CUE_FALSE_REJECTION, axis=0, method="lower") for each in good]
    values = np.min(quantiles, axis=0).tolist()
    least = {name: ROOM.get(name, 1.0) * value for name, value in zip(CUES, values, strict=True)}
    scores = []
    for each in good:
        passed = (each[:, :-1] >= list(least.values())).all(axis=1)
        # Of those that the cues leave, as many more may fail as there is room for.
        room = max(0, int(FALSE_REJECTION * len(passed)) - int((~passed).sum()))
        scores.append(float(np.sort(each[passed, -1])[room]))
    return {**least, SCORE: min(scores)}


def calibrated(sets: Mapping[str, LiveFaces]) -> str:
    """Text of ``liveness.json``: limits calibrated on sets of rendered faces, and how.

    Parameters
    ----------
    sets : by name.
    """
    least = least_of(sets.values())
    rejections = {}
    for name, live in sets.items():
        refused = (figures(live) < list(least.values())).any(axis=1)
        rejections[name] = {
            "n_faces": len(refused),
            "n_misaligned": int((~live.aligned).sum()),
            "false_rejection": float(refused[live.aligned].mean()),
            "false_rejection_with_misaligned": float(refused.mean()),
        }
    digest = hashlib.sha256(json.dumps(least).encode()).hexdigest()
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "limits_id": f"faceid-liveness-{digest[:12]}",
        "least": least,
        "calibration": {
            "source": "rendered live faces; no attack",
            "rule": (
                f"the largest values that each refuse at most {CUE_FALSE_REJECTION:.2%} of the well aligned, "
                f"and with {SCORE} {FALSE_REJECTION:.2%} in all, in every set"
            ),
            "sets": rejections,
        },
        "training_commit": training_commit(),
        "preprocessing": served_preprocessing(),
    }
    text = json.dumps(record, indent=2) + "\n"
    Limits.from_json(text)
    return text


def main() -> None:
    """Calibrate the limits and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of aligned sets")
    parser.add_argument("--out", type=Path, default=MODELS / BUNDLED_LIMITS)
    arguments = parser.parse_args()
    arguments.out.write_text(calibrated(load_live(arguments.data, CALIBRATION_SETS)))
    print(arguments.out.read_text())
    if arguments.out.parent == MODELS:
        record_model(arguments.out)


if __name__ == "__main__":
    main()
