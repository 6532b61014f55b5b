"""Figures on captured people, each by a model that had left the person out.

``python -m training.reports.people --captures DIR --folds MODEL MODEL MODEL --json FILE`` takes the models
that `training.ship.export` made of every fold. Each measures the people whom it has not seen: genuine
comparisons of people left out, impostor comparisons of which at least one side was left out. Threshold and
limits are each model's own, made without these people too. Captures are aligned automatically, and what the
liveness check refuses counts as refused.

The captures are those of ``kinect_v2``. Besides the protocols of ``faceid evaluate`` it reports what a device
would decide: honest unlocks refused, strangers accepted, who is identified among everybody, and attempts
with a *swap*: the victim's picture, moved into the place of the face on a stranger's depth.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.acquisition import Acquired, acquire
from faceid_fast.evaluate.claims import support
from faceid_fast.evaluate.intervals import Comparisons, bootstrap, draw_people
from faceid_fast.evaluate.protocols import Compared, compare
from faceid_fast.evaluate.scores import REPORTED_FARS, score
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.model_contract import KEYS, ModelContract
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts import kinect_v2
from training.data.portrait_chips import similarity

FACE_POINTS_MM = np.array([(44, 0, 0), (16, 2, -10), (-44, 0, 0), (-16, 2, -10), (0, 47, -28)], np.float64)
"""Eye corners and the base of the nose in the face's frame, by which pictures are moved."""
INFRARED = "infrared"


@dataclass(frozen=True, eq=False)
class Fold:
    """A model, and the people whom it has not seen."""

    embedder: Embedder
    left_out: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Fold:
        """Open a model; its contract says who was left out."""
        embedder = Embedder(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        return cls(embedder, tuple(embedder.contract.calibration["training"]["left_out"]))

    @property
    def threshold(self) -> float:
        """The model's own."""
        return self.embedder.contract.thresholds[INFRARED]


def left_out_only(found: Comparisons, left_out: NDArray[np.bool_]) -> Comparisons:
    """Keep the genuine comparisons of people left out, and impostor ones with a person left out."""
    genuine, impostor = left_out[found.person], left_out[found.first] | left_out[found.second]
    assert found.genuine_keys is not None
    assert found.impostor_keys is not None
    return Comparisons(
        found.genuine[genuine],
        found.person[genuine],
        found.impostor[impostor],
        found.first[impostor],
        found.second[impostor],
        found.people,
        found.genuine_keys[genuine],
        found.impostor_keys[impostor],
    )


def _scaled(found: Comparisons, factor: float) -> Comparisons:
    """Multiply distances: in units of their thresholds those of several models stand together."""
    return Comparisons(
        found.genuine * factor, found.person, found.impostor * factor, found.first, found.second,
        found.people, found.genuine_keys, found.impostor_keys,
    )  # fmt: skip


def together(parts: Sequence[Comparisons]) -> Comparisons:
    """Put the comparisons of all folds together."""

    def all_of(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("genuine", "person", "impostor", "first", "second")
    keys = ("genuine_keys", "impostor_keys")
    return Comparisons(*map(all_of, names), parts[0].people, **{name: all_of(name) for name in keys})


def measure(
    captures: Sequence[kinect_v2.Capture], folds: Sequence[Fold], shipped: ModelContract
) -> dict[str, Any]:
    """Measure every figure, as JSON, of the folds that stand for the model that ships."""
    aligner, liveness = FaceAligner.bundled(), LivenessCheck.bundled()
    by_protocol: dict[str, list[Comparisons]] = {}
    identified: list[dict[str, int]] = []
    swaps: list[dict[str, int]] = []
    failures: dict[str, int] = {}
    for fold in folds:
        acquired = acquire(captures, aligner, fold.embedder, liveness)
        compared = compare(acquired)
        left_out = np.isin(compared.names, fold.left_out)
        for name, found in compared.protocols.items():
            by_protocol.setdefault(name, []).append(
                _scaled(left_out_only(found, left_out), 1.0 / fold.threshold)
            )
        identified.append(_identified(compared, left_out, fold.threshold))
        swaps.append(_swaps(captures, acquired, fold, aligner, liveness))
        failures = {str(who): _refused_live(acquired, str(who)) for who in compared.names}
    merged = {name: together(parts) for name, parts in by_protocol.items()}
    draws = draw_people(len(failures))
    return {
        "model": {"id": shipped.model_id, "training_commit": shipped.training_commit},
        "people": len(failures),
        "captures": len(captures),
        "left_out": [list(fold.left_out) for fold in folds],
        "thresholds": [fold.threshold for fold in folds],
        "key_limits": [dict(fold.embedder.contract.key_limits[INFRARED]) for fold in folds],
        "models": [fold.embedder.contract.model_id for fold in folds],
        "protocols": {name: _protocol(found, draws) for name, found in merged.items()},
        "identified": _summed(identified),
        "swaps": _summed(swaps),
        "refused_as_not_live": failures,
    }


def _protocol(found: Comparisons, draws: NDArray[np.int64]) -> dict[str, Any]:
    """Scores, intervals and support of one protocol, as ``faceid evaluate`` writes them.

    Distances are in units of their model's threshold.
    """
    scores = score(
        found.genuine, found.impostor, threshold=1.0, failure_to_acquire=None, decided=found.decided()
    )
    intervals = asdict(bootstrap(found, draws, 1.0))
    pairs = intervals.pop("person_pairs")
    return asdict(scores) | {
        "intervals": intervals,
        "n_person_pairs": pairs,
        "support": {
            key: support(scores.n_impostor, pairs, inverse) for key, inverse in REPORTED_FARS.items()
        },
    }


def _refused_live(acquired: Acquired, person: str) -> int:
    return sum(acquired.shots[at].person == person for at in acquired.failures)


def _summed(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    return {name: sum(each[name] for each in counts) for name in counts[0]}


def _identified(compared: Compared, left_out: NDArray[np.bool_], threshold: float) -> dict[str, int]:
    """Count who people left out are identified as, among everybody; and without being enrolled themselves."""
    unlocking = compared.unlocking
    found = {"attempts": 0, "right": 0, "wrong": 0, "not_enrolled_attempts": 0, "not_enrolled_accepted": 0}
    for column, probe in enumerate(unlocking.probes):
        who = compared.who[probe]
        if not left_out[who]:
            continue
        distances = unlocking.nearest[:, column]
        for enrolled, prefix in ((np.ones(len(distances), np.bool_), ""), (unlocking.owners != who, "not")):
            candidates = np.flatnonzero(enrolled)
            best = candidates[distances[candidates].argmin()]
            accepted = distances[best] <= threshold and unlocking.keys[best, column].all()
            if prefix:
                found["not_enrolled_attempts"] += 1
                found["not_enrolled_accepted"] += int(accepted)
            else:
                found["attempts"] += 1
                found["right"] += int(accepted and unlocking.owners[best] == who)
                found["wrong"] += int(accepted and unlocking.owners[best] != who)
    return found


def _swaps(
    captures: Sequence[kinect_v2.Capture],
    acquired: Acquired,
    fold: Fold,
    aligner: FaceAligner,
    liveness: LivenessCheck,
) -> dict[str, int]:
    """Attempts of every stranger with the picture of a person left out: whole frames, aligned anew."""
    assert acquired.keys is not None
    people = np.array([shot.person for shot in acquired.shots])
    enrolled = np.array([shot.expression == 2 for shot in acquired.shots])
    frames = {(shot.person, shot.number): shot.read() for shot in captures}
    crops = {place: aligner.align(frame) for place, frame in frames.items()}
    found = {"attempts": 0, "not_live": 0, "no_face": 0, "accepted": 0}
    vectors = {"joined": acquired.vectors, "shape": acquired.keys.shape, "picture": acquired.keys.picture}
    limits = {"joined": fold.threshold, **{key: acquired.keys.limits[key] for key in KEYS}}
    for victim in fold.left_out:
        references = {name: rows[(people == victim) & enrolled] for name, rows in vectors.items()}
        for stranger in sorted({shot.person for shot in captures} - {victim}):
            # A capture of every pose, in every expression in turn.
            for number in range(0, 54, 5):
                body, face = crops.get((stranger, number)), crops.get((victim, number))
                if not (isinstance(body, FaceCrop) and isinstance(face, FaceCrop)):
                    continue
                swap = _swapped(frames[stranger, number], body, frames[victim, number], face)
                found["attempts"] += 1
                seen = aligner.align(swap)
                if isinstance(seen, NoFace):
                    found["no_face"] += 1
                elif not liveness.check(seen).live:
                    found["not_live"] += 1
                else:
                    (probe,) = fold.embedder.embed(seen.tensor[None], seen.chip[None])
                    distances = {
                        name: float(np.nanmin(np.linalg.norm(rows - getattr(probe, name), axis=1)))
                        for name, rows in references.items()
                    }
                    found["accepted"] += all(distances[name] <= limits[name] for name in limits)
    return found


def _swapped(frame: Frame, crop: FaceCrop, other: Frame, other_crop: FaceCrop) -> Frame:
    """A frame with the picture of another face in the place of its own."""
    move = similarity(_points(other, other_crop), _points(frame, crop))
    height, width = frame.depth.shape
    assert frame.infrared is not None
    assert other.infrared is not None
    moved = cv2.warpAffine(other.infrared.astype(np.float32), move, (width, height))
    there = cv2.warpAffine(np.ones(other.infrared.shape, np.float32), move, (width, height))
    picture = np.where(there > 0.99, moved, frame.infrared).astype(frame.infrared.dtype)
    return Frame(
        depth=frame.depth, infrared=picture, depth_unit_m=frame.depth_unit_m, intrinsics=frame.intrinsics
    )


def _points(frame: Frame, crop: FaceCrop) -> NDArray[np.float64]:
    """Pixels (5, 2) of the face's points in a frame."""
    points = FACE_POINTS_MM @ crop.pose.rotation.T.astype(np.float64) + crop.pose.translation_mm
    slopes = points[:, :2] / points[:, 2:]
    focal = np.array([frame.intrinsics.fx, frame.intrinsics.fy])
    return np.asarray(slopes * focal + np.array(crop.principal_point_px))


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--captures", type=Path, required=True, help="folder in the layout kinect_v2")
    parser.add_argument("--folds", type=Path, nargs="+", required=True, help="models that left people out")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--shipped", type=Path, help="the model that the folds stand for; the package's own")
    given = parser.parse_args()
    shipped = Embedder.bundled() if given.shipped is None else Fold.read(given.shipped).embedder
    folds = [Fold.read(path) for path in given.folds]
    found = measure(list(kinect_v2.captures(given.captures)), folds, shipped.contract)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=2) + "\n")
    for name, scores in found["protocols"].items():
        rates = {key: scores[key] for key in ("eer", "tar_at_far", "far_at_threshold", "frr_at_threshold")}
        print(name, json.dumps(rates))
    for name in ("identified", "swaps", "refused_as_not_live", "thresholds", "key_limits"):
        print(name, json.dumps(found[name]))


if __name__ == "__main__":
    main()
