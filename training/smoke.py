"""The whole pipeline on a few identities: does it run from heads to a model that the package loads?

``python -m training.smoke --out DIR``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.liveness_limits import Limits
from training.data.batches import BatchConfig, TensorSet, load_held, load_split
from training.data.build import Copy, align_split, render_split
from training.data.config import TRAIN, VALIDATION, SplitConfig
from training.data.mixture import Mixture
from training.data.raw import RawShard, raw_shards, shard_frames
from training.heads.ict import DEFAULT_PATH

if TYPE_CHECKING:
    import keras

    from training.ship.export import Exported

CAPTURES = 5
SPLITS = (
    replace(TRAIN, identities=24, captures=CAPTURES),
    replace(VALIDATION, identities=10, captures=CAPTURES),
)
BATCH = BatchConfig(identities=12, images=4)
CHIMERAS = Mixture(chimeras=12, difference_share=0.0)


def run_smoke(out: Path, processes: int = 2) -> None:
    """Render, align, train, join, export and load; then fine-tune on captures. Leaves nothing in the package.

    Without the parametric head it says so and returns: the head is not part of the repository. Without
    dlib's weights the picture's tower has random ones.

    Raises
    ------
    RuntimeError
        Most captures were not aligned, or the network learnt nothing.
    ValueError
        The exported model computes something else than the network.
    """
    if not DEFAULT_PATH.exists():
        print(f"training smoke run skipped: no parametric head at {DEFAULT_PATH}", file=sys.stderr)
        return
    # The renderer's processes import this module: TensorFlow must not come with it.
    from training.network.train import TrainConfig, load_best, train  # noqa: PLC0415

    for name in ("mixed", "shape", "run"):
        shutil.rmtree(out / name, ignore_errors=True)
    wanted = aligned = 0
    for split in SPLITS:
        _drop_stale(split, out)
        render_split(split, out, DEFAULT_PATH, processes)
        for path in raw_shards(out / "raw" / split.name):
            raw = RawShard.read(path)
            wanted += int(raw.has_infrared.sum() + raw.has_color.sum())
        aligned += align_split(split, out, processes)["aligned"]
    align_split(SPLITS[0], out, processes, Copy.MISFIT)
    if aligned < 0.8 * wanted:
        message = f"aligned {aligned} of {wanted} renders, expected at least 80 %"
        raise RuntimeError(message)
    data, held = load_split(out / "tensors")
    config = TrainConfig(steps=50, validate_every=25, batch=BATCH)
    figures = train(data, held, out / "shape", replace(config, inputs="depth"))
    train(data, held, out / "mixed", replace(config, steps=10, validate_every=10, mixture=CHIMERAS))
    if not figures.genuine_mean < figures.impostor_mean:
        message = (
            f"genuine pairs at {figures.genuine_mean:.2f}, impostor pairs at {figures.impostor_mean:.2f}"
        )
        raise RuntimeError(message)
    done = _exported(load_best(out / "shape"), out / "tensors", out / "run")
    print(
        f"smoke run passed: {aligned}/{wanted} aligned, EER {figures.eer:.2f}, distances "
        f"{figures.genuine_mean:.2f} / {figures.impostor_mean:.2f}, parity {done.parity:.1e}, "
        f"{done.latency_ms:.2f} ms"
    )
    _fine_tune(out)
    _liveness(out)


def _exported(shape: keras.Model, tensors: Path, run: Path) -> Exported:
    """Join, quantise and export a tower of the shape and the picture's, and embed with what came out."""
    from training.network.checkpoint import save_network  # noqa: PLC0415
    from training.network.joined import TEACHERS_PATH, join, picture_tower, shape_tower  # noqa: PLC0415
    from training.network.projection import KEY_SIZE, PLAIN_SIZE, Projection  # noqa: PLC0415
    from training.network.train import load_best  # noqa: PLC0415
    from training.provenance.revision import training_commit  # noqa: PLC0415
    from training.ship.export import export  # noqa: PLC0415
    from training.teachers.dlib_resnet import EMBEDDING_SIZE, WEIGHTS  # noqa: PLC0415

    weights = TEACHERS_PATH / WEIGHTS
    # What of the vectors is kept needs real people to be chosen: here it is the first half of the numbers.
    kept = np.eye(EMBEDDING_SIZE, KEY_SIZE, dtype=np.float32)
    first = Projection(np.zeros(EMBEDDING_SIZE, np.float32), kept)
    plain = Projection(first.mean, kept[:, :PLAIN_SIZE])
    picture = picture_tower(weights if weights.exists() else None, first)
    run.mkdir(parents=True, exist_ok=True)
    save_network(run / "best.keras", join(shape_tower(shape, first, plain), picture))
    held = load_held(tensors, with_chips=True)
    done = export(load_best(run), held, run / "faceid.onnx", {"training_commit": training_commit()})
    _embed(done.path, held)
    return done


def _embed(path: Path, held: TensorSet) -> None:
    assert held.chips is not None
    embedder = Embedder(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    embedded = embedder.embed(held.tensors[:3].astype(np.float32), held.chips[:3])
    if len(embedded) != 3:
        message = f"{path}: expected embeddings of 3 faces, got {len(embedded)}"
        raise RuntimeError(message)


def _liveness(out: Path) -> None:
    """What live faces must reach is found, and flat prints do not reach it."""
    from training.attacks import sets  # noqa: PLC0415
    from training.fitted.liveness_limits import calibrated, load_live  # noqa: PLC0415

    limits = Limits.from_json(calibrated(load_live(out / "tensors", ("val",))))
    check, aligner = LivenessCheck(limits), FaceAligner.bundled()
    shutil.rmtree(out / "attacks", ignore_errors=True)
    sets.render(out, "flat_print", 4, DEFAULT_PATH, 1)
    frames = [frame for raw in sets.shards(out, "flat_print") for _, _, frame in shard_frames(raw)]
    found = [aligner.align(frame) for frame in frames]
    accepted = sum(isinstance(crop, FaceCrop) and check.check(crop).live for crop in found)
    if accepted or len(frames) != 4:
        message = f"flat prints: expected 4 and none accepted, got {len(frames)} and {accepted}"
        raise RuntimeError(message)
    print(f"liveness passed: {limits.limits_id}")


def _fine_tune(out: Path) -> None:
    """Validation renders, written as if they were someone's captures, go the way that real ones go."""
    from training.data.layouts.tensors import load_captures  # noqa: PLC0415
    from training.network.options import FINE_TUNE  # noqa: PLC0415
    from training.network.train import load_best, train  # noqa: PLC0415

    for name in ("pairs", "fine", "fine_joined"):
        shutil.rmtree(out / name, ignore_errors=True)
    _write_pairs(RawShard.read(raw_shards(out / "raw" / VALIDATION.name)[0]), out / "pairs")
    damaged = next((out / "pairs").rglob("*_depth.png"))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    data, held = load_captures(out / "pairs", "pairs", out / "fine" / "tensors")
    if len(json.loads((out / "fine" / "tensors" / "captures.json").read_text())["damaged"]) != 1:
        message = f"{damaged}: truncated, and yet not counted as damaged"
        raise RuntimeError(message)
    config = replace(FINE_TUNE, steps=10, validate_every=5, layout="pairs", inputs="depth")
    figures = train(data, held, out / "fine", config, out / "shape")
    _exported(load_best(out / "fine"), out / "fine" / "tensors", out / "fine_joined")
    print(
        f"fine-tune passed: {len(data)} captures of {len(np.unique(data.identities))} people, "
        f"EER {figures.eer:.2f} over {len(np.unique(held.identities))} others"
    )


def _write_pairs(raw: RawShard, folder: Path) -> None:
    """Write every capture as two PNG and a camera file, in a folder of its person."""
    for row, (depth, pictures, camera) in enumerate(raw.crops()):
        person = folder / f"person-{raw.identity[row]}"
        person.mkdir(parents=True, exist_ok=True)
        kind, picture = next(iter(pictures.items()))
        end = "ir" if kind == "infrared" else "rgb"
        cv2.imwrite(str(person / f"{row}_{end}.png"), picture if end == "ir" else picture[..., ::-1])
        cv2.imwrite(str(person / f"{row}_depth.png"), depth)
        intrinsics = {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
        (person / f"{row}_camera.json").write_text(json.dumps({**intrinsics, "depth_unit_m": 0.001}))


def _drop_stale(split: SplitConfig, out: Path) -> None:
    """Remove renders of another renderer: here they are only a cache."""
    raw = out / "raw" / split.name
    note = raw / "config.json"
    if note.exists() and json.loads(note.read_text())["fingerprint"] != split.fingerprint():
        shutil.rmtree(raw)
        shutil.rmtree(out / "tensors" / split.name, ignore_errors=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of renders and run")
    run_smoke(parser.parse_args().out)


if __name__ == "__main__":
    main()
