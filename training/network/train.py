"""Train the network on rendered tensors, or fine-tune it on captures of real people.

``python -m training.network.train --data DIR --out DIR`` trains; run again after an interruption, it goes
on from the last checkpoint. ``--smoke`` runs the whole pipeline on a few identities instead:
render, train, export, check (minutes).

``python -m training.network.train --data DIR --layout vap --out DIR [--init RUN_OR_KERAS_FILE]``
fine-tunes on a set of real captures (`training.data.layouts.reading`), aligned by the package's own aligner.

Written to the output folder: ``checkpoint.npz`` (to resume), ``best.keras`` (the best by validation
on unseen rendered identities), ``log.csv``, ``curves.png``, ``config.json``, ``figures.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.data.batches import BatchSampler, TensorSet, load_split, prefetch
from training.data.captured import Captured, load_captured
from training.data.layouts.tensors import load_captures
from training.data.mixture import MixedSampler
from training.metrics.verification import Figures, measure_network
from training.network.batch_norm import TOLERATED_DRIFT, check_batch_norm
from training.network.checkpoint import restore_checkpoint, save_checkpoint, save_network
from training.network.curves import draw_curves
from training.network.losses import Loss, fine_tune_loss, main_loss
from training.network.model import build_network
from training.network.options import SHIPPED_TOWER, TrainConfig, configure, parse
from training.network.run_folder import Log, pin_config


class Trainer:
    """One run: weights (random or given), optimiser and compiled steps."""

    def __init__(self, config: TrainConfig, network: keras.Model | None = None) -> None:
        keras.utils.set_random_seed(config.seed)
        self.config = config
        self.network = build_network(config.network) if network is None else network
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
        """Take one optimiser step; returns the loss before it."""
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


def train(
    data: TensorSet,
    held: TensorSet,
    out: Path,
    config: TrainConfig,
    init: Path | None = None,
    captured: Path | None = None,
) -> Figures:
    """Train from the last checkpoint in ``out``, or from the start; return the figures of the best network.

    Parameters
    ----------
    data, held : the training set, and a validation set of other people.
    out : folder of the run.
    config : its network takes the shape of the tensors.
    init : ``.keras`` file, or folder of a run, to begin with. What validates worse than it is not kept,
        unless real people or chimeras are mixed in: rendered people cannot tell what they are worth.
    captured : real people that `config.mixture` mixes in, without `config.left_out`.

    Raises
    ------
    ValueError
        ``out`` holds a run of another configuration, or ``init`` takes tensors of another shape.
    FloatingPointError
        The loss is no longer finite.
    """
    shape = data.tensors.shape[1:]
    config = replace(config, network=replace(config.network, input_shape=shape))
    if config.identities:
        data = data.first_identities(config.identities)
    people, digest = _load_people(captured, config.left_out)
    config = replace(config, captured=digest)
    network = None
    if init is not None:
        network, digest = _load_init(init, shape)
        config = replace(config, init=digest)
    out.mkdir(parents=True, exist_ok=True)
    pin_config(out / "config.json", config)
    trainer = Trainer(config, network)
    sampler = _sampler(data, config, people)
    held = _first_images(held, config.validation_images).seen_through(config.seen)
    checkpoint, log = out / "checkpoint.npz", Log(out / "log.csv")
    start, best = 0, -1.0
    if checkpoint.exists():
        start, best = restore_checkpoint(checkpoint, trainer.network, trainer.optimizer)
    log.truncate(start if checkpoint.exists() else -1)
    if network is not None and not start:
        figures = measure_network(network, held)
        best = figures.score if config.mixture is None else best
        save_network(out / "best.keras", network)
        log.append(step=0, phase="init", score=best, **asdict(figures))
    with _progress() as progress:
        bar = progress.add_task("train", total=config.steps, completed=start, note="")
        losses: list[tf.Tensor] = []
        began = time.perf_counter()
        numbers = range(start, config.steps)
        for number, batch in zip(numbers, prefetch(sampler.draw, numbers), strict=True):
            losses.append(trainer.step(number, *batch))
            progress.update(bar, completed=number + 1)
            done = number + 1
            # The phases have different scales: one validation right where the loss changes.
            if done % config.validate_every and done not in (config.fine_tune_start, config.steps):
                continue
            speed = len(losses) * sampler.batch_size / (time.perf_counter() - began)
            loss = float(np.mean([float(value) for value in losses]))
            if not np.isfinite(loss):
                message = f"loss is {loss} before step {done}"
                raise FloatingPointError(message)
            figures = measure_network(trainer.network, held)
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


def _sampler(data: TensorSet, config: TrainConfig, people: Captured | None) -> BatchSampler | MixedSampler:
    """Draw batches of rendered people; with real ones and chimeras if the configuration says so."""
    rendered = BatchSampler(data, config.batch, config.seed, config.seen)
    if config.mixture is None:
        return rendered
    return MixedSampler(rendered, people, config.mixture, config.seed, config.seen)


def _load_people(source: Path | None, left_out: tuple[str, ...]) -> tuple[Captured | None, str]:
    """Load real people, and the SHA-256 of their file; None and "" for none."""
    if source is None:
        return None, ""
    return load_captured(source, left_out), hashlib.sha256(source.read_bytes()).hexdigest()


def _load_init(source: Path, shape: tuple[int, ...]) -> tuple[keras.Model, str]:
    """Load the network that a run begins with, and the SHA-256 of its file."""
    path = source / "best.keras" if source.is_dir() else source
    network = keras.models.load_model(path)
    if network.input_shape[1:] != shape:
        message = f"{path}: expected a network of tensors {shape}, got one of {network.input_shape[1:]}"
        raise ValueError(message)
    return network, hashlib.sha256(path.read_bytes()).hexdigest()


def load_best(run: Path) -> keras.Model:
    """Load the best network of a run."""
    return keras.models.load_model(run / "best.keras")


def _finish(out: Path, sampler: BatchSampler | MixedSampler, config: TrainConfig, held: TensorSet) -> Figures:
    """Check the BatchNorm statistics of the best network, correct them if need be, measure it."""
    network = load_best(out)
    # Batches beyond the last step: drawn alike, not trained on in this order.
    drift = check_batch_norm(network, lambda i: sampler.draw(config.steps + i)[0])
    figures = measure_network(network, held)
    corrected = drift > TOLERATED_DRIFT
    if corrected and config.init and config.mixture is None:
        # Few people's statistics need not be better than those that came with the weights.
        before = measure_network(load_best(out), held)
        if before.score > figures.score:
            figures, corrected = before, False
    if corrected:
        save_network(out / "best.keras", network)
    content = {"batch_norm_drift": drift, "corrected": corrected, **asdict(figures)}
    (out / "figures.json").write_text(json.dumps(content, indent=2) + "\n")
    return figures


def _first_images(held: TensorSet, images: int) -> TensorSet:
    """Whole identities from the start, up to about a number of images."""
    if len(held) <= images:
        return held
    order = np.argsort(held.identities, kind="stable")[:images]
    return held.subset(np.isin(held.identities, held.identities[order]))


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    return Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True)
    )


def main() -> None:
    """Command line; see the module's docstring."""
    given = parse(__doc__)
    if given.smoke:
        command = sys.executable, "-m", "training.smoke", "--out", str(given.out)
        sys.exit(subprocess.run(command, check=False).returncode)
    set_threads(given.threads)
    init = given.init
    if given.layout:
        try:
            data, held = load_captures(given.data, given.layout, given.out / "tensors")
        except (ValueError, OSError) as error:
            sys.exit(f"error: {error}")
        if init is None:
            init = _shipped_tower(given.inputs)
    else:
        data, held = load_split(given.data)
    figures = train(data, held, given.out, configure(given), init, given.captured)
    print(json.dumps(asdict(figures), indent=2))


def _shipped_tower(inputs: str) -> Path | None:
    """Find the shipped weights that a fine-tune begins with; says so where there are none for its inputs."""
    if inputs == "depth" and SHIPPED_TOWER.exists():
        return SHIPPED_TOWER
    print(
        f"no shipped weights for --inputs {inputs} and no --init: trained from random weights",
        file=sys.stderr,
    )
    return None


def set_threads(threads: int) -> None:
    """Limit TensorFlow's CPU threads; to be called before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


if __name__ == "__main__":
    main()
