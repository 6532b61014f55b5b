"""Rendered sets on disk: raw captures, and the tensors the package's own aligner makes of them.

``python -m training.data.build render`` renders (goes on where it was interrupted);
``python -m training.data.build align`` runs every capture through the package's aligner, the code that also
serves, so that its errors are in the training set; a changed aligner needs no new renders.

Raw shards hold crops of different sizes end to end: see `training.data.raw.RawShard`. Tensor shards hold
``tensor`` (n, 4, 72, 64) float16, ``chip`` (n, 3, 150, 150) uint8 (empty in training sets), ``cues`` (n, 7)
in the order of `faceid_fast.face.crop.Cues`, ``identity``, ``cluster`` (-1 for none), ``modality``, the truth
and the alignment's error.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter
from dataclasses import asdict, astuple, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from training.camera.degraded import blurred, degraded
from training.camera.models import BY_NAME, CAMERA_MODELS
from training.camera.raster import angle_between
from training.data.batches import MODALITIES
from training.data.config import SPLITS, SplitConfig
from training.data.raw import RawShard, raw_shards, reproject, shard_frames, write_arrays
from training.data.workers import studio, worker_pool
from training.heads.ict import DEFAULT_PATH
from training.people.hair import draw_style
from training.people.person import Identity, Studio
from training.people.portraits import Portraits
from training.people.wear import draw_glasses, draw_wear
from training.provenance.aligner import aligner_digest
from training.scenes.capture import Capture
from training.scenes.crops import render_crop

if TYPE_CHECKING:
    from faceid_fast.face.aligner import FaceAligner  # loads the core

DEFAULT_FOLDER = Path("build/training")
IDENTITIES_PER_SHARD = 50
MISALIGNED_MM, MISALIGNED_DEG = 15.0, 12.0
"""Beyond this the aligner was wrong."""
SMOOTHEST_MM = 6.0
"""Blur (standard deviation) of the smoothest depth that faces are still to be found live in: that of large
matching windows with a spatial filter after them, at half a metre."""
_MISFIT_SEED = 7_317
_CLUSTER_STREAM, _IDENTITY_STREAM, _CAPTURE_STREAM = range(3)


class Copy(StrEnum):
    """Which copy of a set to align."""

    PLAIN = "plain"
    MISFIT = "misfit"
    """As badly aligned as real faces are (`training.data.misfit`)."""
    BLURRED = "blurred"
    """Through depth blurred by `SMOOTHEST_MM` (`training.camera.degraded`)."""


def cluster_of(split: SplitConfig, index: int) -> int:
    """Cluster number of an identity of a split, or -1 for none.

    Clusters are spread evenly over the indices, so that the first identities have their share of them.
    """
    # Of every 25 identities with a share of 0.4 and clusters of five, the first ten are two clusters.
    period = 5 * split.cluster_size
    clusters = round(period * split.clustered_share / split.cluster_size)
    place = index % period
    if place >= clusters * split.cluster_size:
        return -1
    return split.first_identity + (index // period) * clusters + place // split.cluster_size


def make_identity(studio: Studio, split: SplitConfig, index: int) -> tuple[Identity, int]:
    """Draw the ``index``-th identity of a split, and its cluster (-1 for none)."""
    rng = np.random.default_rng([split.seed, _IDENTITY_STREAM, index])
    count = studio.head.identity_count
    weights = rng.standard_normal(count)
    scale = rng.uniform(*split.scale)
    varies = bool(rng.random() < split.hair_varies_share)
    cluster = cluster_of(split, index)
    portraits = Portraits.of_set(split.portrait_set) if split.portrait_share > 0 else None
    identity = studio.identity(
        rng, weights * scale, hair_varies=varies, portraits=portraits, portrait_share=split.portrait_share
    )
    if rng.random() < split.glasses_share:
        identity = replace(identity, glasses=draw_glasses(rng))
    if cluster >= 0:
        shared = np.random.default_rng([split.seed, _CLUSTER_STREAM, cluster])
        base = shared.standard_normal(count)
        mixed = scale * (split.cluster_base * base + split.cluster_own * weights)
        # Look-alikes wear their hair alike: it must not tell them apart.
        identity = replace(identity, weights=mixed.astype(np.float32), style=draw_style(shared))
        if split.alike_skin_share and shared.random() < split.alike_skin_share:
            real = portraits is not None and shared.random() < split.portrait_share
            skin = studio.paint.skin(shared, portraits.blend(shared) if portraits and real else None)
            identity = replace(identity, skin=skin)
    return identity, cluster


def render_identity(studio: Studio, split: SplitConfig, index: int) -> tuple[list[Capture], int]:
    """Render all captures of one identity, and name its cluster (-1 for none).

    They are the same whatever was rendered before.
    """
    identity, cluster = make_identity(studio, split, index)
    captures = []
    for number in range(split.captures):
        rng = np.random.default_rng([split.seed, _CAPTURE_STREAM, index, number])
        model = BY_NAME[_draw(rng, split.cameras)]
        modality = model.delivered(_draw(rng, split.pictures))
        wear = draw_wear(rng, identity.glasses, others=split.glasses_share > 0, cap_share=split.cap_share)
        capture = render_crop(
            rng,
            studio,
            identity,
            poses=split.poses,
            modality=modality,
            model=model,
            hidden_offset_deviation_px=split.hidden_offset_px,
            wide_open_share=split.wide_open_share,
            wear=wear,
        )
        captures.append(replace(capture, camera_model=CAMERA_MODELS.index(model)))
    return captures, cluster


def _draw(rng: np.random.Generator, shares: tuple[tuple[str, float], ...]) -> str:
    """One of the names; the shares need not add up to one."""
    share = np.array([share for _, share in shares])
    return shares[int(rng.choice(len(shares), p=share / share.sum()))][0]


def _render_job(job: tuple[SplitConfig, int]) -> tuple[list[Capture], int]:
    return render_identity(studio(), *job)


def render_split(split: SplitConfig, folder: Path, head: Path, processes: int) -> None:
    """Render the raw shards of a split below ``folder/raw``; existing shards are kept.

    Raises
    ------
    ValueError
        If the folder holds renders of another configuration or renderer.
    """
    target = folder / "raw" / split.name
    target.mkdir(parents=True, exist_ok=True)
    note = target / "config.json"
    if note.exists() and json.loads(note.read_text())["fingerprint"] != split.fingerprint():
        message = f"{target} holds renders of another configuration: remove it, or choose another folder"
        raise ValueError(message)
    note.write_text(json.dumps(asdict(split) | {"fingerprint": split.fingerprint()}, indent=1))

    starts = range(0, split.identities, IDENTITIES_PER_SHARD)
    shards = {
        target / f"shard-{start:06d}.npz": range(start, min(start + IDENTITIES_PER_SHARD, split.identities))
        for start in starts
    }
    missing = {path: span for path, span in shards.items() if not _complete(path, len(span) * split.captures)}
    jobs = [(split, index) for span in missing.values() for index in span]
    if split.portrait_share > 0:
        Portraits.of_set(split.portrait_set)  # made here once, not by every process
    with worker_pool(processes, head) as pool:
        rendered = pool.imap(_render_job, jobs, chunksize=2)
        results = iter(track(rendered, f"render {split.name}", len(jobs)))
        for path, span in missing.items():
            captures: list[Capture] = []
            identities: list[int] = []
            clusters: list[int] = []
            for index in span:
                some, cluster = next(results)
                captures += some
                identities += [split.first_identity + index] * len(some)
                clusters += [cluster] * len(some)
            RawShard.of(captures, identities, clusters).write(path)


def _complete(path: Path, captures: int) -> bool:
    if not path.exists():
        return False
    with np.load(path) as arrays:
        return len(arrays["identity"]) == captures


def _align_job(job: tuple[Path, Path, str, Copy]) -> Counter[str]:
    """Align one raw shard; returns outcomes counted."""
    from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE, Cues, NoFace  # noqa: PLC0415 - rendering needs no built package

    source, target, digest, copy = job
    rng = np.random.default_rng([_MISFIT_SEED, int(source.stem.rsplit("-", 1)[1])])
    aligners = _aligners(rng, misfit=copy is Copy.MISFIT)
    blur = blurred(SMOOTHEST_MM)
    raw = RawShard.read(source)
    # Rendered pictures teach the picture's tower nothing, and fill gigabytes.
    with_chips = not target.parent.name.startswith("train")
    outcomes: Counter[str] = Counter()
    rows, modalities, tensors, chips, facts, cues = [], [], [], [], [], []
    for row, modality, sharp in shard_frames(raw):
        frame = degraded(sharp, blur, row) if copy is Copy.BLURRED else sharp
        face = aligners[rng.integers(len(aligners))].align(frame)
        if isinstance(face, NoFace):
            outcomes[str(face.outcome)] += 1
            continue
        eyes = reproject(raw.eye_midpoint_mm[row], frame.intrinsics, face.principal_point_px)
        eye_error = float(np.linalg.norm(face.eye_midpoint_mm - eyes))
        angle = angle_between(face.pose.rotation, raw.rotation[row])
        outcomes["aligned"] += 1
        outcomes["misaligned"] += eye_error > MISALIGNED_MM or angle > MISALIGNED_DEG
        rows.append(row)
        modalities.append(MODALITIES.index(modality))
        tensors.append(face.tensor.astype(np.float16))
        if with_chips:
            chips.append(face.chip)
        facts.append((eye_error, angle, face.fit_score))
        cues.append(astuple(face.cues))
    fact = np.array(facts, np.float32).reshape(-1, 3)
    write_arrays(
        target,
        {
            "tensor": np.array(tensors, np.float16).reshape(-1, *TENSOR_SHAPE),
            "chip": np.array(chips, np.uint8).reshape(-1, *CHIP_SHAPE),
            "identity": raw.identity[rows],
            "cluster": raw.cluster[rows],
            "modality": np.array(modalities, np.int32),
            "angles_deg": raw.angles_deg[rows].astype(np.float32),
            "cues": np.array(cues, np.float32).reshape(-1, len(fields(Cues))),
            "eye_error_mm": fact[:, 0],
            "rotation_error_deg": fact[:, 1],
            "fit_score": fact[:, 2],
            "raw_row": np.array(rows, np.int32),
            "outcomes": np.array(json.dumps(outcomes)),
            "aligner": np.array(digest),
        },
    )
    return outcomes


def _aligners(rng: np.random.Generator, *, misfit: bool) -> list[FaceAligner]:
    """The package's aligner, or several that miss."""
    from faceid_fast.face.aligner import FaceAligner  # noqa: PLC0415  # loads the core
    from faceid_fast.face.bundled import read_bundled_model  # noqa: PLC0415
    from faceid_fast.face.head_model import HEAD_MODEL  # noqa: PLC0415

    if not misfit:
        return [FaceAligner.bundled()]
    from training.data.misfit import REAL_MISFIT, misfit_aligners  # noqa: PLC0415

    with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as file:
        return misfit_aligners(dict(file), REAL_MISFIT, rng)


def align_split(split: SplitConfig, folder: Path, processes: int, copy: Copy = Copy.PLAIN) -> Counter[str]:
    """Align ``folder/raw/<split>`` into ``folder/tensors/<split>``; shards of the same aligner are kept.

    Copies of another kind go into ``<split>_<copy>``. Returns how often each outcome came up.
    """
    digest = aligner_digest()
    name = split.name if copy is Copy.PLAIN else f"{split.name}_{copy}"
    jobs = []
    total: Counter[str] = Counter()
    for source in raw_shards(folder / "raw" / split.name):
        target = folder / "tensors" / name / source.name
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            with np.load(target) as done:
                if str(done["aligner"]) == digest:
                    total.update(json.loads(str(done["outcomes"])))
                    continue
        jobs.append((source, target, digest, copy))
    with worker_pool(processes) as pool:
        aligned = pool.imap(_align_job, jobs)
        for outcomes in track(aligned, f"align {name}", len(jobs)):
            total.update(outcomes)
    return total


def main() -> None:
    """Render or align sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["render", "align"])
    parser.add_argument("--splits", nargs="+", choices=sorted(SPLITS), default=["val", "test", "train"])
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--identities", type=int, help="instead of the number in training/data/config.py")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--copy",
        type=Copy,
        choices=list(Copy),
        default=Copy.PLAIN,
        help="align as badly as real faces are, or through the smoothest depth, into tensors/SPLIT_COPY",
    )
    arguments = parser.parse_args()
    for name in arguments.splits:
        split = SPLITS[name]
        if arguments.identities:
            split = replace(split, identities=arguments.identities)
        if arguments.step == "render":
            render_split(split, arguments.folder, arguments.head, arguments.processes)
        else:
            outcomes = align_split(split, arguments.folder, arguments.processes, arguments.copy)
            print(f"{name}: {dict(outcomes)}")


if __name__ == "__main__":
    main()
