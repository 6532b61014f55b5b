"""Train the network on rendered tensors.

``python -m training.train --data DIR --out DIR`` trains; run again after an interruption, it goes
on from the last checkpoint. ``--smoke`` runs the whole pipeline on a few identities instead:
render, train, export, check (minutes).

Written to the output folder: ``checkpoint.npz`` (to resume), ``best.keras`` (the best by validation
on unseen rendered identities), ``log.csv``, ``curves.png``, ``config.json``, ``figures.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.batch_norm import TOLERATED_DRIFT, check_batch_norm
from training.batches import BatchConfig, BatchSampler, TensorSet, load_split
from training.checkpoint import restore_checkpoint, save_checkpoint, save_network
from training.curves import draw_curves
from training.evaluate import Figures, all_pairs, embed, measure
from training.losses import Loss, LossConfig, fine_tune_loss, main_loss
from training.model import NetworkConfig, build_network
from training.revision import training_commit

LOG_FIELDS = (
    "step", "phase", "loss", "learning_rate", "images_per_s", "eer", "tar_at_far_1e_2",
    "tar_at_far_1e_3", "hard_eer", "hard_tar_at_far_1e_2", "hard_tar_at_far_1e_3", "genuine_mean",
    "impostor_mean", "hard_mean", "score",
)  # fmt: skip

COMMIT_KEYS = ("training_commit", "resumed_at")
"""Of ``config.json``: which code ran, besides what it was told."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the trained weights, besides the data.

    Attributes
    ----------
    steps : optimiser steps, of one batch each.
    validate_every : steps between validations; the checkpoint is written then.
    validation_images : at most so many images are used while training (the first identities).
    threads : CPU threads of one operation; 0 leaves it to TensorFlow.
    """

    steps: int = 4000
    seed: int = 1
    learning_rate: float = 2e-3
    weight_decay: float = 5e-3
    warm_up_steps: int = 100
    clip_norm: float = 2.0
    validate_every: int = 200
    validation_images: int = 2000
    threads: int = 2
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)

    @property
    def fine_tune_start(self) -> int:
        """The first step of the fine-tune; equal to `steps` if there is none."""
        return self.steps - round(self.steps * self.loss.fine_tune_share)

    @property
    def ranked_after(self) -> int:
        """Steps after which the best network is looked for: the last phase."""
        return self.fine_tune_start if self.fine_tune_start < self.steps else 0


class Trainer:
    """Weights, optimiser and the compiled steps of one run."""

    def __init__(self, config: TrainConfig) -> None:
        keras.utils.set_random_seed(config.seed)
        self.config = config
        self.network = build_network(config.network)
        warm_up = min(config.warm_up_steps, config.steps // 5)
        self.schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warm_up else config.learning_rate,
            config.steps - warm_up,
            warmup_target=config.learning_rate if warm_up else None,
            warmup_steps=warm_up,
        )
        self.optimizer = keras.optimizers.AdamW(
            self.schedule, weight_decay=config.weight_decay, global_clipnorm=config.clip_norm
        )
        self.optimizer.build(self.network.trainable_variables)
        # Compiled without XLA: its CPU convolutions are a third slower here than oneDNN's.
        self._main = tf.function(self._step_with(main_loss(config.loss)))
        self._fine_tune = tf.function(self._step_with(fine_tune_loss(config.loss)))

    def phase(self, step: int) -> str:
        """Name the loss that a step uses."""
        return "fine-tune" if step >= self.config.fine_tune_start else self.config.loss.name

    def step(self, number: int, tensors: Any, identities: Any) -> tf.Tensor:
        """One optimiser step; the loss before it."""
        run = self._fine_tune if self.phase(number) == "fine-tune" else self._main
        return run(tf.constant(tensors), tf.constant(identities))

    def _step_with(self, loss_of: Loss) -> Any:
        weights = self.network.trainable_variables

        def step(tensors: tf.Tensor, identities: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = loss_of(self.network(tensors, training=True), identities)
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            return loss

        return step


def train(data: TensorSet, held: TensorSet, out: Path, config: TrainConfig) -> Figures:
    """Train from the last checkpoint in ``out``, or from the start; return the figures of the best network.

    Raises
    ------
    ValueError
        ``out`` holds a run of another configuration.
    FloatingPointError
        The loss is no longer finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    _pin_config(out / "config.json", config)
    trainer = Trainer(config)
    sampler = BatchSampler(data, config.batch, config.seed)
    held = _first_identities(held, config.validation_images)
    checkpoint, log = out / "checkpoint.npz", Log(out / "log.csv")
    start, best = 0, -1.0
    if checkpoint.exists():
        start, best = restore_checkpoint(checkpoint, trainer.network, trainer.optimizer)
    log.truncate(start)
    with _progress() as progress:
        bar = progress.add_task("train", total=config.steps, completed=start, note="")
        losses: list[tf.Tensor] = []
        began = time.perf_counter()
        for number in range(start, config.steps):
            losses.append(trainer.step(number, *sampler.draw(number)))
            progress.update(bar, completed=number + 1)
            done = number + 1
            # The phases have different scales: one validation right where the loss changes.
            if done % config.validate_every and done not in (config.fine_tune_start, config.steps):
                continue
            images = len(losses) * config.batch.identities * config.batch.images
            speed = images / (time.perf_counter() - began)
            loss = float(np.mean([float(value) for value in losses]))
            if not np.isfinite(loss):
                message = f"loss is {loss} before step {done}"
                raise FloatingPointError(message)
            figures = measure(all_pairs(embed(trainer.network, held.tensors), held))
            # Distances of the two phases are not comparable, and only the last phase is shipped.
            if done > config.ranked_after and figures.score > best:
                best = figures.score
                save_network(out / "best.keras", trainer.network)
            log.append(
                step=done, phase=trainer.phase(number), loss=loss, images_per_s=speed,
                learning_rate=float(trainer.schedule(number)), score=figures.score, **asdict(figures),
            )  # fmt: skip
            save_checkpoint(checkpoint, trainer.network, trainer.optimizer, done, best)
            note = f"loss {loss:.3f}  EER {figures.eer:.4f}  score {figures.score:.4f}"
            progress.update(bar, note=f"{note}  {speed:.0f} images/s")
            losses, began = [], time.perf_counter()
    draw_curves(out / "log.csv", out / "curves.png")
    return _finish(out, sampler, config, held)


def load_best(run: Path) -> keras.Model:
    """Load the best network of a run."""
    return keras.models.load_model(run / "best.keras")


class Log:
    """Figures by step, as CSV."""

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


def _finish(out: Path, sampler: BatchSampler, config: TrainConfig, held: TensorSet) -> Figures:
    """Check the BatchNorm statistics of the best network, correct them if need be, measure it."""
    network = load_best(out)
    # Batches beyond the last step: drawn alike, not trained on in this order.
    drift = check_batch_norm(network, lambda i: sampler.draw(config.steps + i)[0])
    figures = measure(all_pairs(embed(network, held.tensors), held))
    if drift > TOLERATED_DRIFT:
        save_network(out / "best.keras", network)
    content = {"batch_norm_drift": drift, "corrected": drift > TOLERATED_DRIFT, **asdict(figures)}
    (out / "figures.json").write_text(json.dumps(content, indent=2) + "\n")
    return figures


def _first_identities(held: TensorSet, images: int) -> TensorSet:
    """Whole identities from the start, up to about a number of images."""
    if len(held) <= images:
        return held
    order = np.argsort(held.identities, kind="stable")[:images]
    return held.subset(np.isin(held.identities, held.identities[order]))


def _pin_config(path: Path, config: TrainConfig) -> None:
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


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    return Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True)
    )


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of rendered shards (not for --smoke)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--smoke", action="store_true", help="whole pipeline on a few identities")
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--loss", choices=("infonce", "margin"), default="infonce")
    parser.add_argument("--threads", type=int, default=TrainConfig.threads)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    if arguments.smoke:
        command = sys.executable, "-m", "training.smoke", "--out", str(arguments.out)
        sys.exit(subprocess.run(command, check=False).returncode)
    if arguments.data is None:
        parser.error("--data is required without --smoke")
    config = replace(
        TrainConfig(), steps=arguments.steps, seed=arguments.seed, threads=arguments.threads,
        loss=LossConfig(name=arguments.loss),
    )  # fmt: skip
    figures = train(*load_split(arguments.data), arguments.out, config)
    print(json.dumps(asdict(figures), indent=2))


def set_threads(threads: int) -> None:
    """Limit TensorFlow's CPU threads; to be called before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


if __name__ == "__main__":
    main()
