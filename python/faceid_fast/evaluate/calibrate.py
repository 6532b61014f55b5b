"""A threshold from captures of one's own people, if they are enough to show the rate that is claimed.

The protocol is ``unlock``: a probe is compared with the nearest of a person's references, as a device
does it. A trial is a *pair of people*, since captures of the same two resemble each other: a pair
matches if any of its comparisons is within the threshold. The share of pairs that match is never below
the share of comparisons that match (the FMR, averaged over pairs). So the exact binomial bound of the
former also bounds the latter. The threshold is the largest whose bound is not above the target. The
bound takes pairs for independent; those that share a person are not quite.

The threshold is chosen by the joined distances alone, as if the two keys of a face refused nobody: it must
hold if they do not. What is counted at it is what the product decides, with both keys.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.binomial import shows, upper_rate
from faceid_fast.calibration.evidence import MeasuredThreshold
from faceid_fast.checks import open_file
from faceid_fast.errors import CalibrationError, SourceError
from faceid_fast.evaluate.claims import INDEPENDENT_TRIALS
from faceid_fast.evaluate.intervals import bootstrap, draw_people
from faceid_fast.evaluate.protocols import Compared

if TYPE_CHECKING:
    from faceid_fast.evaluate.intervals import Comparisons
    from faceid_fast.face.embedder import Embedder

RULE: Final = (
    "largest threshold at which the exact one-sided 95 % bound of the share of pairs of people with any "
    "match, by distance alone, is at most the target"
)
STEPS: Final = 10_000
"""Thresholds are multiples of 1 / `STEPS`."""
_BLOCK: Final = 1 << 20


def check_target(target_far: float) -> float:
    """Return a target rate; CalibrationError if it is not in (0, 1)."""
    if not 0.0 < target_far < 1.0:  # written so that NaN is refused
        message = f"--target-far: expected a rate in (0, 1), got {target_far:g}"
        raise CalibrationError(message)
    return target_far


def check_enough(target_far: float, people: int, person_pairs: int) -> None:
    """Refuse a target that so many pairs of people cannot show, by the rule of three.

    Raises
    ------
    CalibrationError
        If they are too few; the message says how many it takes, and what these can show.
    """
    wanted = math.ceil(round(INDEPENDENT_TRIALS / target_far, 6))
    if person_pairs >= wanted:
        return
    enough = math.ceil((1.0 + math.sqrt(1.0 + 8.0 * wanted)) / 2.0)
    best = INDEPENDENT_TRIALS / person_pairs if person_pairs else math.inf
    offer = f"try --target-far {best:.2g}, or more people" if best < 1.0 else "more people are needed"
    message = (
        f"--target-far: expected a rate that the data can show; {target_far:g} takes {wanted:,} pairs of "
        f"people, which are {enough:,} people, got {person_pairs:,} pairs of {people:,} people: {offer}"
    )
    raise CalibrationError(message)


def measure(
    compared: Compared, embedder: Embedder, target_far: float, *, data_sha256: str, command: str
) -> MeasuredThreshold:
    """Choose the threshold, and record the evidence for it.

    Parameters
    ----------
    compared : captures that `embedder` has seen.
    target_far : the largest FMR that may remain, in (0, 1).
    data_sha256 : of the files that the captures were read from, see `data_sha256`.
    command : that asked for it, to be recorded.

    Raises
    ------
    CalibrationError
        If there are too few people, or none of them were compared; or two people are as near as one.
    """
    check_target(target_far)
    found = compared.protocols["unlock"]
    nearest = _nearest_of_pairs(found, found.impostor)
    pairs = len(nearest)
    check_enough(target_far, len(compared.names), pairs)
    # As many pairs may match as still show the target; the next one must not.
    too_many = bisect.bisect_left(range(pairs), 1, key=lambda count: not shows(count, pairs, target_far))
    threshold = math.floor(np.nextafter(nearest[too_many - 1], -1.0) * STEPS) / STEPS
    if not threshold > 0.0:
        message = (
            "captures: expected different people to look different, got pairs of people as near as copies: "
            "is one person in two folders?"
        )
        raise CalibrationError(message)
    genuine, impostor = found.decided()
    strangers, own = impostor[np.isfinite(found.impostor)], genuine[np.isfinite(found.genuine)]
    matched = int((_nearest_of_pairs(found, impostor) <= threshold).sum())
    return MeasuredThreshold(
        modality=compared.acquired.modality,
        threshold=threshold,
        target_far=target_far,
        rule=RULE,
        people=len(compared.names),
        captures=len(compared.who),
        trials=len(strangers),
        genuine_trials=len(own),
        person_pairs=pairs,
        matched_person_pairs=matched,
        fmr=float(np.mean(strangers <= threshold)),
        fmr_upper=upper_rate(matched, pairs),
        fnmr=float(np.mean(own > threshold)) if len(own) else None,
        fnmr_interval=_interval(compared, threshold),
        failure_to_acquire=len(compared.acquired.failures) / len(compared.who),
        data_sha256=data_sha256,
        model_id=embedder.contract.model_id,
        model_sha256=embedder.sha256,
        preprocessing_id=embedder.contract.preprocessing["id"],
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
    )


def data_sha256(directory: Path, step: Callable[[], None] = lambda: None) -> str:
    """SHA-256 over all files below a folder, their names included.

    It is that of a line ``SHA-256  ./name`` for each file, sorted by name (as bytes), which is what
    ``find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`` prints there; links are
    followed.

    Parameters
    ----------
    step : called for each file.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    try:
        lines = []
        for path in sorted(_files(directory), key=lambda path: os.fsencode(path.relative_to(directory))):
            digest = hashlib.sha256()
            with open_file(path) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            name = os.fsencode(path.relative_to(directory))
            lines.append(b"%s  ./%s\n" % (digest.hexdigest().encode(), name))
            step()
    except OSError as error:
        message = f"{error.filename or directory}: not readable ({error.strerror})"
        raise SourceError(message) from error
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _files(directory: Path) -> list[Path]:
    """Regular files below a folder; links are followed, each folder is entered once."""
    found: list[Path] = []
    entered: set[tuple[int, int]] = set()
    waiting = [directory]
    while waiting:
        folder = waiting.pop()
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        for entry in folder.iterdir():
            if entry.is_dir():
                waiting.append(entry)
            elif entry.is_file():
                found.append(entry)
    return found


def _nearest_of_pairs(found: Comparisons, impostor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest of some distances of the impostor comparisons of each pair of people, sorted.

    Pairs of people of whom no two captures gave a face are left out.
    """
    usable = np.isfinite(found.impostor)
    low, high = np.minimum(found.first, found.second), np.maximum(found.first, found.second)
    pairs, groups = np.unique((low * found.people + high)[usable], return_inverse=True)
    nearest = np.full(len(pairs), np.inf)
    np.minimum.at(nearest, groups, impostor[usable])
    return np.sort(nearest)


def _interval(compared: Compared, threshold: float) -> tuple[float, float] | None:
    """Interval of the FNMR by bootstrap over people, without failed acquisitions."""
    found = compared.protocols["unlock"]
    own, strangers = np.isfinite(found.genuine), np.isfinite(found.impostor)
    usable = type(found)(
        genuine=found.genuine[own],
        person=found.person[own],
        impostor=found.impostor[strangers],
        first=found.first[strangers],
        second=found.second[strangers],
        people=found.people,
        genuine_keys=None if found.genuine_keys is None else found.genuine_keys[own],
        impostor_keys=None if found.impostor_keys is None else found.impostor_keys[strangers],
    )
    return bootstrap(usable, draw_people(found.people), threshold).frr_at_threshold
