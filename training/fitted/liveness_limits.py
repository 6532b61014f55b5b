"""What a live face must reach: the least value of every cue, from rendered live faces.

``python -m training.fitted.liveness_limits --data build/training/tensors`` reads the aligned validation sets
and writes ``models/liveness.json``. No attack is looked at. Every cue's limit is the largest value that
refuses at most `CUE_FALSE_REJECTION` of the faces that were aligned well; the limit of the score is the
largest with which all limits together refuse at most `FALSE_REJECTION`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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
CALIBRATION_SETS: Final = ("val", "val_cameras", "val_wide", "val_blurred")
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


def load_live(data: Path, names: tuple[str, ...]) -> LiveFaces:
    """Read sets of rendered faces with their cues, as `training.data.build align` writes them.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    paths = sorted(path for name in names for path in (data / name).glob("*.npz"))
    if not paths:
        message = f"no aligned set of {', '.join(names)} below {data}"
        raise FileNotFoundError(message)
    cues, scores, aligned = [], [], []
    for path in paths:
        with np.load(path) as shard:
            cues.append(shard["cues"].astype(np.float64))
            scores.append(shard["fit_score"].astype(np.float64))
            off = (shard["eye_error_mm"] > MISALIGNED_MM) | (shard["rotation_error_deg"] > MISALIGNED_DEG)
            aligned.append(~off)
    return LiveFaces(np.concatenate(cues), np.concatenate(scores), np.concatenate(aligned))


def figures(cues: Floats, fit_score: Floats) -> Floats:
    """Cues (n, 7) with the score beside them: (n, 8), in the order of `face.liveness_limits.FIGURES`."""
    shape = (cues[:, CUES.index(name)] for name in ("agreement", "structure"))
    likeness = [likeness_of(*parts) for parts in zip(*shape, fit_score, strict=True)]
    return np.column_stack([cues, likeness])


def least_of(cues: Floats, fit_score: Floats) -> dict[str, float]:
    """Least value of each cue and of the score, from cues (n, 7) and fits (n,) of well aligned live faces."""
    values = np.quantile(cues, CUE_FALSE_REJECTION, axis=0, method="lower").tolist()
    least = {name: ROOM.get(name, 1.0) * value for name, value in zip(CUES, values, strict=True)}
    passed = (cues >= list(least.values())).all(axis=1)
    # Of those that the cues leave, as many more may fail as there is room for.
    room = max(0, int(FALSE_REJECTION * len(passed)) - int((~passed).sum()))
    least[SCORE] = float(np.sort(figures(cues, fit_score)[passed, -1])[room])
    return least


def calibrated(live: LiveFaces, sets: tuple[str, ...]) -> str:
    """Text of ``liveness.json``: limits calibrated on ``live``, and how.

    Parameters
    ----------
    sets : names of the rendered sets that ``live`` was read from.
    """
    least = least_of(live.cues[live.aligned], live.fit_score[live.aligned])
    refused = (figures(live.cues, live.fit_score) < list(least.values())).any(axis=1)
    digest = hashlib.sha256(json.dumps(least).encode()).hexdigest()
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "limits_id": f"faceid-liveness-{digest[:12]}",
        "least": least,
        "calibration": {
            "source": "rendered live faces; no attack",
            "rule": (
                f"the largest values that each refuse at most {CUE_FALSE_REJECTION:.2%} of the well aligned, "
                f"and with {SCORE} {FALSE_REJECTION:.2%} in all"
            ),
            "sets": list(sets),
            "n_faces": len(refused),
            "n_misaligned": int((~live.aligned).sum()),
            "false_rejection": float(refused[live.aligned].mean()),
            "false_rejection_with_misaligned": float(refused.mean()),
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
    arguments.out.write_text(calibrated(load_live(arguments.data, CALIBRATION_SETS), CALIBRATION_SETS))
    print(arguments.out.read_text())
    if arguments.out.parent == MODELS:
        record_model(arguments.out)


if __name__ == "__main__":
    main()
