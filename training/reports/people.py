"""Figures on captured people, each by a model that had left the person out.

``python -m training.reports.people --captures DIR --folds MODEL MODEL MODEL --json FILE`` takes the models
that `training.ship.export` made of every fold. Each measures the people whom it has not seen: genuine
comparisons of people left out, impostor comparisons of which at least one side was left out. Threshold and
limits are each model's own, made without these people too. Captures are aligned automatically, and what the
liveness check refuses counts as refused.

The captures are those of ``kinect_v2``. Besides the protocols of ``faceid evaluate`` it reports what a device
would decide: honest unlocks refused, strangers accepted, who is identified among everybody, and attempts
with a *swap* (the victim's picture, moved into the place of the face on a stranger's depth) and with reliefs
(`training.attacks.reliefs`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.impostor_tail import tightened
from faceid_fast.evaluate.acquisition import Acquired, acquire
from faceid_fast.evaluate.claims import support
from faceid_fast.evaluate.intervals import Comparisons, bootstrap, draw_people
from faceid_fast.evaluate.protocols import Compared, compare
from faceid_fast.evaluate.report.figures import histograms
from faceid_fast.evaluate.scores import REPORTED_FARS, score
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embeddings
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.model_contract import KEYS, ModelContract
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts import kinect_v2
from training.attacks.reliefs import RELIEFS
from training.data.captured import ENROLLED_EXPRESSION as ENROLLED
from training.data.captured import EXPRESSIONS
from training.data.portrait_chips import similarity

FACE_POINTS_MM = np.array([(44, 0, 0), (16, 2, -10), (-44, 0, 0), (-16, 2, -10), (0, 47, -28)], np.float64)
"""Eye corners and the base of the nose in the face's frame, by which pictures are moved."""
INFRARED = "infrared"
PROTOCOL_KINDS = ("protocols", "both_left_out", "without_hair")
"""Impostors of whom one at least was left out, or both; and once more with hair blurred away."""
CAPTURES = 54
"""Of each person: nine poses in six expressions."""
HAIRLESS_CENTER, HAIRLESS_AXES = (74, 78), (46, 52)
"""An ellipse in a chip, in pixels, that holds brows, cheeks and chin, and nothing of hair or neck."""
HAIR_BLUR_PX = 12.0
_SEED = 23


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


class _Hairless:
    """A model that is shown chips with everything outside of brows, cheeks and chin blurred away."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.contract = embedder.contract

    def embed(self, tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> Embeddings:
        """Embed faces, as `Embedder.embed` does."""
        return self._embedder.embed(tensors, np.stack([without_hair(chip) for chip in chips]))


def without_hair(chip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur what is outside of brows, cheeks and chin in a chip (3, 150, 150)."""
    picture = np.ascontiguousarray(chip.transpose(1, 2, 0))
    kept = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(kept, HAIRLESS_CENTER, HAIRLESS_AXES, 0, 0, 360, 1.0, -1)
    kept = cv2.GaussianBlur(kept, (0, 0), 2.0)[..., None]
    blurred = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), HAIR_BLUR_PX)
    mixed = np.rint(kept * picture + (1.0 - kept) * blurred).astype(np.uint8)
    return np.ascontiguousarray(mixed.transpose(2, 0, 1))


def left_out_only(found: Comparisons, left_out: NDArray[np.bool_], *, both: bool = False) -> Comparisons:
    """Keep the genuine comparisons of people left out, and impostor ones with one left out, or ``both``."""
    genuine, first, second = left_out[found.person], left_out[found.first], left_out[found.second]
    impostor = first & second if both else first | second
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
) -> tuple[dict[str, Any], dict[str, Comparisons]]:
    """Measure every figure of the folds that stand for the model that ships.

    Returns the figures, as JSON, and the comparisons of all folds by protocol, in units of their thresholds.
    """
    aligner, liveness = FaceAligner.bundled(), LivenessCheck.bundled()
    by_protocol: dict[str, dict[str, list[Comparisons]]] = {kind: {} for kind in PROTOCOL_KINDS}
    identified: list[dict[str, int]] = []
    swaps: list[dict[str, int]] = []
    reliefs: list[dict[str, dict[str, int]]] = []
    failures: dict[str, int] = {}
    for fold in folds:
        acquired = acquire(captures, aligner, fold.embedder, liveness)
        hairless = acquire(captures, aligner, cast("Embedder", _Hairless(fold.embedder)), liveness)
        compared = compare(acquired)
        left_out = np.isin(compared.names, fold.left_out)
        for kind, seen, both in (
            ("protocols", compared, False),
            ("both_left_out", compared, True),
            ("without_hair", compare(hairless), False),
        ):
            for name, found in seen.protocols.items():
                kept = _scaled(left_out_only(found, left_out, both=both), 1.0 / fold.threshold)
                by_protocol[kind].setdefault(name, []).append(kept)
        identified.append(_identified(compared, left_out, fold))
        victims = _Victims.of(captures, acquired, fold, aligner, liveness)
        swaps.append(_swaps(victims))
        reliefs.append(_reliefs(victims))
        failures = {str(who): _refused_live(acquired, str(who)) for who in compared.names}
    draws = draw_people(len(failures))
    compared_by_protocol = {
        kind: {name: together(parts) for name, parts in protocols.items()}
        for kind, protocols in by_protocol.items()
    }
    figures = {
        "model": {"id": shipped.model_id, "training_commit": shipped.training_commit},
        "people": len(failures),
        "captures": len(captures),
        "left_out": [list(fold.left_out) for fold in folds],
        "thresholds": [fold.threshold for fold in folds],
        "key_limits": [dict(fold.embedder.contract.key_limits[INFRARED]) for fold in folds],
        "models": [fold.embedder.contract.model_id for fold in folds],
        **{
            kind: {name: _protocol(found, draws) for name, found in protocols.items()}
            for kind, protocols in compared_by_protocol.items()
        },
        "identified": _summed(identified),
        "swaps": _summed(swaps),
        "reliefs": {name: _summed([each[name] for each in reliefs]) for name in RELIEFS},
        "refused_as_not_live": failures,
    }
    return figures, compared_by_protocol["protocols"]


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


def _identified(compared: Compared, left_out: NDArray[np.bool_], fold: Fold) -> dict[str, int]:
    """Count who people left out are identified as, among everybody; and without being enrolled themselves.

    The threshold is tightened by the number of people, as `Authenticator.identify` does it.
    """
    contract = fold.embedder.contract
    unlocking = compared.unlocking
    found = {"attempts": 0, "right": 0, "wrong": 0, "not_enrolled_attempts": 0, "not_enrolled_accepted": 0}
    for column, probe in enumerate(unlocking.probes):
        who = compared.who[probe]
        if not left_out[who]:
            continue
        distances = unlocking.nearest[:, column]
        for enrolled, prefix in ((np.ones(len(distances), np.bool_), ""), (unlocking.owners != who, "not")):
            candidates = np.flatnonzero(enrolled)
            people = len(np.unique(unlocking.owners[candidates]))
            threshold = tightened(fold.threshold, contract.tails.get(INFRARED, ()), people)
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


@dataclass(frozen=True, eq=False)
class _Victims:
    """The people left out of a fold, enrolled as the unlock protocol does it, and everybody's frames.

    Attributes
    ----------
    frames, crops : by person and capture number; crops of those with a face only.
    references : rows of each of the model's outputs, by person left out.
    """

    fold: Fold
    aligner: FaceAligner
    liveness: LivenessCheck
    frames: dict[tuple[str, int], Frame]
    crops: dict[tuple[str, int], FaceCrop]
    references: dict[str, dict[str, NDArray[np.float32]]]
    limits: dict[str, float]

    @classmethod
    def of(
        cls,
        captures: Sequence[kinect_v2.Capture],
        acquired: Acquired,
        fold: Fold,
        aligner: FaceAligner,
        liveness: LivenessCheck,
    ) -> _Victims:
        """Align every capture, and take the references from what was acquired."""
        assert acquired.keys is not None
        people = np.array([shot.person for shot in acquired.shots])
        enrolled = np.array([shot.expression == ENROLLED for shot in acquired.shots])
        vectors = {"joined": acquired.vectors, "shape": acquired.keys.shape, "picture": acquired.keys.picture}
        references = {
            victim: {name: rows[(people == victim) & enrolled] for name, rows in vectors.items()}
            for victim in fold.left_out
        }
        limits = {"joined": fold.threshold, **{key: acquired.keys.limits[key] for key in KEYS}}
        frames = {(shot.person, shot.number): shot.read() for shot in captures}
        found = {place: aligner.align(frame) for place, frame in frames.items()}
        crops = {place: crop for place, crop in found.items() if isinstance(crop, FaceCrop)}
        return cls(fold, aligner, liveness, frames, crops, references, limits)

    def verdict(self, victim: str, frame: Frame) -> str:
        """Say what a device says to a frame that claims to be somebody."""
        seen = self.aligner.align(frame)
        if isinstance(seen, NoFace):
            return "no_face"
        if not self.liveness.check(seen).live:
            return "not_live"
        (probe,) = self.fold.embedder.embed(seen.tensor[None], seen.chip[None])
        distances = {
            name: float(np.nanmin(np.linalg.norm(rows - getattr(probe, name), axis=1)))
            for name, rows in self.references[victim].items()
        }
        agreed = all(distances[name] <= limit for name, limit in self.limits.items())
        return "accepted" if agreed else "refused"

    def attempts(self, victim: str) -> list[int]:
        """Numbers of captures of seven poses, in all expressions but the one that is enrolled."""
        return [
            number
            for number in range(0, CAPTURES, 5)
            if number % EXPRESSIONS != ENROLLED and (victim, number) in self.crops
        ]


def _counted(verdicts: Iterable[str]) -> dict[str, int]:
    found = dict.fromkeys(("attempts", "no_face", "not_live", "refused", "accepted"), 0)
    for verdict in verdicts:
        found["attempts"] += 1
        found[verdict] += 1
    return found


def _swaps(victims: _Victims) -> dict[str, int]:
    """Attempts of every stranger with the picture of a person left out: whole frames, aligned anew."""
    strangers = sorted({person for person, _ in victims.frames})
    return _counted(
        victims.verdict(victim, _swapped(victims, (stranger, number), (victim, number)))
        for victim in victims.fold.left_out
        for number in victims.attempts(victim)
        for stranger in strangers
        if stranger != victim and (stranger, number) in victims.crops
    )


def _reliefs(victims: _Victims) -> dict[str, dict[str, int]]:
    """Attempts with the picture of a person left out on reliefs, by their kind: whole frames."""
    return {
        name: _counted(
            victims.verdict(
                victim,
                relief(
                    victims.frames[victim, number],
                    victims.crops[victim, number],
                    np.random.default_rng([_SEED, number]),
                ),
            )
            for victim in victims.fold.left_out
            for number in victims.attempts(victim)
        )
        for name, relief in RELIEFS.items()
    }


def _swapped(victims: _Victims, body: tuple[str, int], face: tuple[str, int]) -> Frame:
    """A frame with the picture of another face in the place of its own."""
    frame, crop, other, other_crop = (
        victims.frames[body], victims.crops[body], victims.frames[face], victims.crops[face],
    )  # fmt: skip
    move = similarity(_points(other, other_crop), _points(frame, crop))
    height, width = frame.depth.shape
    assert frame.infrared is not None
    assert other.infrared is not None
    moved = cv2.warpAffine(other.infrared.astype(np.float32), move, (width, height))
    there = cv2.warpAffine(np.ones(other.infrared.shape, np.float32), move, (width, height))
    picture = np.where(there > 0.99, moved, frame.infrared).astype(frame.infrared.dtype)
    return replace(frame, infrared=picture)


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
    parser.add_argument("--picture", type=Path, help="draw the distances, as docs/figures/distances.png")
    parser.add_argument("--shipped", type=Path, help="the model that the folds stand for; the package's own")
    given = parser.parse_args()
    shipped = Embedder.bundled() if given.shipped is None else Fold.read(given.shipped).embedder
    folds = [Fold.read(path) for path in given.folds]
    found, protocols = measure(list(kinect_v2.captures(given.captures)), folds, shipped.contract)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=2) + "\n")
    if given.picture is not None:
        # As the distances of the model that ships would be, whose threshold is not quite the folds'.
        threshold = shipped.contract.thresholds[INFRARED]
        scaled = {name: _scaled(compared, threshold) for name, compared in protocols.items()}
        given.picture.write_bytes(histograms(scaled, threshold))
    for kind in PROTOCOL_KINDS:
        for name, scores in found[kind].items():
            rates = {
                key: scores[key] for key in ("eer", "tar_at_far", "far_at_threshold", "frr_at_threshold")
            }
            print(kind, name, json.dumps(rates))
    for name in ("identified", "swaps", "reliefs", "refused_as_not_live", "thresholds", "key_limits"):
        print(name, json.dumps(found[name]))


if __name__ == "__main__":
    main()
