"""Presentation attack detection: APCER, BPCER and IAPAR, the figures of docs/LIVENESS.md.

``python -m training.reports.attacks --data build/training`` measures the package's check on the attacks that
`training.attacks.sets` rendered, on portraits printed on real flat sheets, and on live faces, rendered and
real; it writes ``docs/figures/liveness.json`` and the tables in ``docs/LIVENESS.md``. Every attack is
measured twice: from frame to verdict, and once more where it is said to the aligner where the face is, so
that nothing is refused for not being found. Pictures, flat or bent, are measured again with worse depth
(`WORSE`). And attacks in infrared are compared with their victims, enrolled with five rendered captures each:
how often they are accepted, by the joined distance and by both keys, is the IAPAR.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from faceid_fast.evaluate.pad import ErrorRate, PadReport, classify, count
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop, HeadPose, NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embedding, Embeddings
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Frame
from faceid_fast.matching.keys import KeyLimits, distances_to
from faceid_fast.sources.layouts import kinect_v2
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import References
from training.attacks import flat_sheets, sets
from training.attacks.species import SPECIES
from training.camera.degraded import (
    Degradation,
    blurred,
    chained,
    degraded,
    noisy,
    round_holes,
    single_holes,
)
from training.data.build import DEFAULT_FOLDER
from training.data.config import TEST
from training.data.raw import RawShard, raw_shards, shard_frames
from training.provenance.revision import ROOT

FIGURES: Final = ROOT / "docs" / "figures" / "liveness.json"
PAGE: Final = ROOT / "docs" / "LIVENESS.md"
MARKS: Final = ("<!-- figures: begin -->\n", "<!-- figures: end -->")
LIVE_SETS: Final = ("test", "test_cameras", "test_worn", "test_color", "test_wide")
LIVE_CAPTURES: Final = 1000
"""Of each set, about so many."""
FRONTAL: Final = 4
FLAT_SHEETS: Final = "flat_sheets"
REFERENCES: Final = 5
"""Of every victim, where attacks are compared with them."""
_SHEETS_EACH = 8
PICTURES: Final = ("flat_print", "bent_print", "draped_print", "crumpled_print", "screen", "eyes_cut_out")
"""The species whose depth is that of a sheet."""
WORSE: Final[dict[str, Degradation]] = {
    "5 % single holes": single_holes(0.05),
    "round holes over 10 %": round_holes(0.10),
    "blurred by 3 mm": blurred(3.0),
    "blurred by 6 mm": blurred(6.0),
    "blurred by 3 mm, slow noise of 2 mm": chained(blurred(3.0), noisy(2.0, 8.0)),
}
"""What is done to the depth of pictures."""
WORSE_FRAMES: Final = 500
"""Of each species, so many with each."""


@dataclass(frozen=True)
class Shown:
    """A frame to be classified: see `faceid_fast.evaluate.pad.Presentation`."""

    species: str | None
    read: Callable[[], Frame]


def attacks(folder: Path, species: str) -> Iterator[tuple[Frame, HeadPose]]:
    """Yield frames of rendered attacks of a species, and the pose of the face on each."""
    for raw in sets.shards(folder, species):
        for row, _, frame in shard_frames(raw):
            rotation, translation = raw.rotation[row], raw.translation_mm[row]
            yaw, pitch, roll = raw.angles_deg[row].tolist()
            yield (
                frame,
                HeadPose(rotation.astype(np.float32), translation.astype(np.float32), yaw, pitch, roll),
            )


def sheets() -> Iterator[tuple[Frame, HeadPose]]:
    """Yield frames of portraits on real flat sheets, and the pose of the face on each."""
    return flat_sheets.presentations(np.random.default_rng(7), _SHEETS_EACH)


def measure_species(species: str, shown: Iterable[tuple[Frame, HeadPose]]) -> dict[str, Any]:
    """Classify the presentations of one species, found by the aligner, and once more with the pose given."""
    aligner, check = FaceAligner.bundled(), LivenessCheck.bundled()
    found, accepted, given = [], 0, 0
    for frame, pose in track(shown, species):
        found += classify([Shown(species, partial(_same, frame))], aligner, check)
        accepted += check.check(aligner.cut_out(frame, pose)).live
        given += 1
    report = count(found)
    record: dict[str, Any] = report.record()["species"][species]
    where = ErrorRate.of(accepted, given)
    record["where_it_is"] = {"presentations": given, "accepted": accepted, "apcer": where.rate}
    record["where_it_is"]["interval"] = where.interval
    return record


def measure_worse(species: str, shown: Iterable[tuple[Frame, HeadPose]]) -> dict[str, Any]:
    """Classify one species with degraded depth, found by the aligner, and once more with the pose given."""
    aligner, check = FaceAligner.bundled(), LivenessCheck.bundled()
    kept = list(islice(shown, WORSE_FRAMES))
    record = {}
    for name, degradation in WORSE.items():
        found, accepted = [], 0
        for seed, (frame, pose) in enumerate(track(kept, f"{species}, {name}")):
            worse = degraded(frame, degradation, seed)
            found += classify([Shown(species, partial(_same, worse))], aligner, check)
            accepted += check.check(aligner.cut_out(worse, pose)).live
        counted = count(found).record()["species"][species]
        record[name] = {
            "presentations": len(kept),
            "not_acquired": counted["not_acquired"],
            "accepted": counted["accepted"],
            "accepted_where_it_is": accepted,
        }
    return record


def _same(frame: Frame) -> Frame:
    return frame


def measure_live(name: str, shown: list[Callable[[], Frame]]) -> dict[str, Any]:
    """Classify bona fide presentations (live faces)."""
    aligner, check = FaceAligner.bundled(), LivenessCheck.bundled()
    found = [each for read in track(shown, name) for each in classify([Shown(None, read)], aligner, check)]
    report: PadReport = count(found)
    record: dict[str, Any] = report.record()["bona_fide"]
    return record


def rendered_frames(folder: Path, name: str) -> list[Callable[[], Frame]]:
    """First `LIVE_CAPTURES` frames of a rendered set."""
    frames = []
    for path in raw_shards(folder / "raw" / name):
        frames += [frame for _, _, frame in shard_frames(RawShard.read(path))]
        if len(frames) >= LIVE_CAPTURES:
            break
    return [partial(_same, frame) for frame in frames[:LIVE_CAPTURES]]


def impersonations(folder: Path) -> dict[str, Any]:
    """Compare infrared attacks with their victims: IAPAR by species.

    The victims are enrolled with rendered captures. The model's threshold and its limits of both keys decide.
    """
    aligner, check, embedder = FaceAligner.bundled(), LivenessCheck.bundled(), Embedder.bundled()
    threshold = embedder.contract.thresholds["infrared"]
    limits = KeyLimits.by_modality(embedder.contract.key_limits)["infrared"]
    enrolled = _enrolled(folder, aligner, embedder)
    found = {}
    for species in SPECIES:
        frames = live = accepted = 0
        for raw in sets.shards(folder, species):
            for row, modality, frame in track(list(shard_frames(raw)), f"{species} as its victim"):
                if modality != "infrared":
                    continue
                frames += 1
                crop = aligner.align(frame)
                if isinstance(crop, NoFace) or not check.check(crop).live:
                    continue
                live += 1
                _, victim, _ = sets.cast(species, int(raw.identity[row]))
                distances = distances_to(enrolled[victim], "infrared", embedding_of(embedder, crop))
                accepted += distances.accepted(threshold, limits)
        rate = ErrorRate.of(accepted, frames)
        found[species] = {"presentations": frames, "live": live, "accepted": accepted}
        found[species] |= {"iapar": rate.rate, "interval": rate.interval}
    return found


def embedding_of(embedder: Embedder, crop: FaceCrop) -> Embedding:
    """Embed one aligned face."""
    return next(iter(embedder.embed(crop.tensor[None], crop.chip[None])))


def references_of(name: str, faces: list[Embedding], model_sha256: str) -> References:
    """References of somebody by infrared captures, with their keys."""
    each = Embeddings(*(np.stack(rows) for rows in zip(*map(_vectors, faces), strict=True)))
    return References(
        name,
        each.joined,
        ("rendered",) * len(each),
        ("infrared",) * len(each),
        model_sha256,
        keys=Keys.of(each.shape, each.picture),
    )


def _vectors(face: Embedding) -> tuple[NDArray[np.float32], ...]:
    return face.joined, face.shape, face.picture


def _enrolled(folder: Path, aligner: FaceAligner, embedder: Embedder) -> dict[int, References]:
    """References of the victims, by their index in `TEST`."""
    faces: dict[int, list[Embedding]] = {index: [] for index in range(sets.VICTIMS)}
    for path in raw_shards(folder / "raw" / TEST.name):
        raw = RawShard.read(path)
        if raw.identity[0] >= TEST.first_identity + sets.VICTIMS:
            break
        for row, _, frame in track(list(shard_frames(raw)), "enrol the victims"):
            victim = int(raw.identity[row]) - TEST.first_identity
            if victim < sets.VICTIMS and len(faces[victim]) < REFERENCES:
                crop = aligner.align(frame)
                if not isinstance(crop, NoFace):
                    faces[victim].append(embedding_of(embedder, crop))
    return {index: references_of(f"victim {index}", found, embedder.sha256) for index, found in faces.items()}


def check_ms(repeats: int = 300) -> dict[str, float]:
    """Time one check of an aligned face on one thread: median and quartiles, milliseconds."""
    frame, pose = next(sheets())
    crop = FaceAligner.bundled().cut_out(frame, pose)
    check = LivenessCheck.bundled()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        check.check(crop)
        seconds.append(time.perf_counter() - began)
    low, middle, high = statistics.quantiles(seconds, n=4)
    return {"median": middle * 1e3, "quartiles": [low * 1e3, high * 1e3]}


def measure(folder: Path) -> dict[str, Any]:
    """Measure everything that the page shows, as JSON."""
    people = kinect_v2.captures(ROOT.parent / "shared" / "data" / "kinect_v2")
    limits = LivenessCheck.bundled().limits
    species = {name: measure_species(name, attacks(folder, name)) for name in SPECIES}
    species[FLAT_SHEETS] = measure_species(FLAT_SHEETS, sheets())
    live = {name: measure_live(name, rendered_frames(folder, name)) for name in LIVE_SETS}
    frontal = [shot.read for shot in people if shot.pose == FRONTAL]
    live["kinect_v2 frontal"] = measure_live("kinect_v2 frontal", frontal)
    live["kinect_v2 all poses"] = measure_live("kinect_v2", [shot.read for shot in people])
    return {
        "limits": {"id": limits.limits_id},
        "species": species,
        "worse": {name: measure_worse(name, attacks(folder, name)) for name in PICTURES},
        "bona_fide": live,
        "impersonations": impersonations(folder),
        "check_ms": check_ms(),
    }


def tables(record: dict[str, Any]) -> str:
    """Write the tables of the page in Markdown."""
    lines = [
        f"Measured on `{record['limits']['id']}`.",
        "",
        "| species | frames | not acquired | accepted | APCER, % | accepted where it is | APCER there, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in record["species"].items():
        there = each["where_it_is"]
        lines.append(
            f"| {name.replace('_', ' ')} | {each['presentations']:,} | {each['not_acquired']:,} | "
            f"{each['accepted']:,} | {_percent(each['apcer'], each['interval'])} | {there['accepted']:,} | "
            f"{_percent(there['apcer'], there['interval'])} |"
        )
    worst = max(record["species"], key=lambda name: record["species"][name]["apcer"] or 0.0)
    lines += [
        "",
        f"Worst species: {worst.replace('_', ' ')}.",
        "",
        "| depth | frames of six species | not acquired | accepted | accepted where it is |",
        "|---|---|---|---|---|",
    ]
    for name in WORSE:
        each = [species[name] for species in record["worse"].values()]
        keys = ("presentations", "not_acquired", "accepted", "accepted_where_it_is")
        sums = (f"{sum(one[key] for one in each):,}" for key in keys)
        lines.append(f"| {name} | {' | '.join(sums)} |")
    lines += [
        "",
        "| live faces | frames | not acquired | rejected | BPCER, % |",
        "|---|---|---|---|---|",
    ]
    for name, each in record["bona_fide"].items():
        lines.append(
            f"| {name.replace('_', ' ')} | {each['presentations']:,} | {each['not_acquired']:,} | "
            f"{each['rejected']:,} | {_percent(each['bpcer'], each['interval'])} |"
        )
    lines += [
        "",
        "| infrared, the victim enrolled | frames | live | accepted as the victim | IAPAR, % |",
        "|---|---|---|---|---|",
    ]
    for name, each in record["impersonations"].items():
        lines.append(
            f"| {name.replace('_', ' ')} | {each['presentations']:,} | {each['live']:,} | "
            f"{each['accepted']:,} | {_percent(each['iapar'], each['interval'])} |"
        )
    took = record["check_ms"]
    low, high = took["quartiles"]
    span = f"{took['median'] * 1e3:.0f} microseconds ({low * 1e3:.0f} to {high * 1e3:.0f})"
    lines += ["", f"To check the cues of an aligned face takes {span}."]
    return "\n".join(lines) + "\n"


def _percent(rate: float | None, interval: tuple[float, float] | list[float] | None) -> str:
    if rate is None or interval is None:
        return "-"
    return f"{100 * rate:.2f} ({100 * interval[0]:.2f} - {100 * interval[1]:.2f})"


def page(text: str, record: dict[str, Any]) -> str:
    """Replace the tables in the text of the page."""
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    return before + MARKS[0] + "\n" + tables(record) + "\n" + MARKS[1] + after


def _check_limits(record: dict[str, Any]) -> None:
    """Refuse to keep figures of other limits beside new ones."""
    served = LivenessCheck.bundled().limits.limits_id
    if record["limits"]["id"] != served:
        sys.exit(f"{FIGURES}: figures of {record['limits']['id']}, but {served} ships: measure everything")


def main() -> None:
    """Measure and write the page, or write it from figures measured before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER, help="folder of the rendered sets")
    less = parser.add_mutually_exclusive_group()
    less.add_argument("--page-only", action="store_true", help="from docs/figures/liveness.json")
    less.add_argument(
        "--network-only", action="store_true", help="only how often attacks are accepted as their victims: "
        "the network is another, the limits of liveness are not",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.network_only:
        record = json.loads(FIGURES.read_text(encoding="utf-8"))
        _check_limits(record)
        record["impersonations"] = impersonations(arguments.data)
        FIGURES.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    elif not arguments.page_only:
        FIGURES.write_text(json.dumps(measure(arguments.data), indent=1) + "\n", encoding="utf-8")
    record = json.loads(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


if __name__ == "__main__":
    main()
