"""Configuration of a training, and the command line that gives it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

from training.data.augment import Augmentation, InputChoice, InputNames
from training.data.batches import BatchConfig
from training.data.layouts.reading import LAYOUTS
from training.data.mixture import Mixture
from training.network.losses import LossConfig
from training.network.model import NETWORKS, NetworkConfig
from training.provenance.revision import ROOT

SHIPPED_WEIGHTS = ROOT / "training" / "weights"
SHIPPED_FILES = ("shape.keras", "shape.npz", "shape_plain.npz", "picture.npz")
"""The shipped network's tower of the shape as Keras has it, and what projects the vectors of both towers."""
SHIPPED_TOWER: Final = SHIPPED_WEIGHTS / "shape.keras"
"""What a fine-tune begins with."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the trained weights, besides the data.

    Attributes
    ----------
    steps : optimiser steps, of one batch each.
    validate_every : steps between validations; the checkpoint is written then.
    validation_images : at most so many images are used while training (the first identities).
    threads : CPU threads of one operation; 0 leaves it to TensorFlow.
    identities : train on so many only, those with the smallest numbers; 0 for all.
    inputs, hair_band : what the network may see (`training.data.augment.InputChoice`), in training and in
        validation; one that does not see everything is a tower, or for comparison.
    layout : of the real captures it is trained on; empty for renders.
    captured : SHA-256 of the aligned captures of real people among the rendered ones; empty for none.
    left_out : people of them who were left out, so that figures on them are figures.
    mixture : how real people and chimeras are mixed in; None: not at all.
    init : SHA-256 of the weights it begins with; empty for random ones. They bring their own network:
        `network` is not looked at.
    """

    steps: int = 2200
    seed: int = 1
    learning_rate: float = 2e-3
    weight_decay: float = 5e-3
    warm_up_steps: int = 100
    clip_norm: float = 2.0
    validate_every: int = 200
    validation_images: int = 2000
    threads: int = 2
    identities: int = 0
    inputs: InputNames = "both"
    hair_band: bool = True
    layout: str = ""
    captured: str = ""
    left_out: tuple[str, ...] = ()
    mixture: Mixture | None = None
    init: str = ""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)

    @property
    def fine_tune_start(self) -> int:
        """The first step of the fine-tune; equal to `steps` if there is none."""
        return self.steps - round(self.steps * self.loss.fine_tune_share)

    @property
    def ranked_after(self) -> int:
        """Step from which the best network is looked for: the start of the last phase."""
        return self.fine_tune_start if self.fine_tune_start < self.steps else 0

    @property
    def seen(self) -> InputChoice:
        """Inputs that the network is given."""
        return InputChoice(self.inputs, self.hair_band)


FINE_TUNE = TrainConfig(
    steps=300,
    learning_rate=2e-4,
    warm_up_steps=30,
    validate_every=50,
    batch=BatchConfig(identities=24, images=4),
)
"""On real captures: few people, and weights that know faces already."""


def parse(description: str | None = None, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line of `training.network.train`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, help="folder of rendered shards, or of captures (not for --smoke)")
    add("--out", type=Path, required=True, help="folder of the run")
    add("--smoke", action="store_true", help="whole pipeline on a few identities")
    add("--layout", choices=tuple(LAYOUTS), help="DATA holds captures of real people in this layout")
    add("--init", type=Path, help="run or .keras file to begin with (fine-tunes: the shipped weights)")
    add("--steps", type=int, help=f"default {TrainConfig.steps}, for a fine-tune {FINE_TUNE.steps}")
    add("--seed", type=int, default=TrainConfig.seed)
    add("--network", "--width", choices=tuple(NETWORKS), default="small")
    add("--loss", choices=("infonce", "margin"), default="infonce")
    add("--identities", type=int, default=0, help="train on the first so many only")
    add("--batch-identities", type=int, help="identities of a batch")
    add("--mirrored-share", type=float, default=0.0, help="share of the images that are mirrored")
    for switch in fields(Augmentation):
        add(f"--{switch.name.replace('_', '-')}", type=float, default=switch.default)
    add("--inputs", choices=("both", "depth", "intensity"), default="both", help="for comparison")
    add("--no-hair-band", action="store_true", help="for comparison")
    add(
        "--captured", type=Path, help="real people among the rendered ones: what training.data.captured wrote"
    )
    add("--leave-out", nargs="*", default=(), metavar="PERSON", help="of them, for figures on these people")
    add(
        "--captures",
        type=int,
        default=Mixture.captures,
        help="of each real person in a batch: none, if they whiten",
    )
    add("--chimeras", type=int, default=0, help=f"in a batch, for instance {Mixture.chimeras}")
    add(
        "--moved-share",
        type=float,
        default=Mixture.moved_share,
        help="of the batches, in which all rendered people are moved",
    )
    add("--difference-share", type=float, default=Mixture.difference_share, help="of the rendered images")
    add("--learning-rate", type=float)
    add("--threads", type=int, default=TrainConfig.threads)
    given = parser.parse_args(arguments)
    if given.data is None and not given.smoke:
        parser.error("--data is required without --smoke")
    if given.leave_out and not given.captured:
        parser.error("--leave-out is of the people of --captured")
    if given.chimeras and given.inputs != "both":
        parser.error("--chimeras are faces of two people only where --inputs are both")
    return given


def configure(given: argparse.Namespace) -> TrainConfig:
    """Build the configuration that a command line asks for."""
    base = FINE_TUNE if given.layout else TrainConfig()
    augmentation = Augmentation(**{field.name: getattr(given, field.name) for field in fields(Augmentation)})
    batch = replace(
        base.batch,
        identities=given.batch_identities or base.batch.identities,
        mirrored_share=given.mirrored_share,
        augmentation=augmentation,
    )
    return replace(
        base, steps=given.steps or base.steps, seed=given.seed, threads=given.threads,
        identities=given.identities, inputs=given.inputs, hair_band=not given.no_hair_band,
        layout=given.layout or "", left_out=tuple(sorted(given.leave_out)), mixture=_mixture(given),
        network=NETWORKS[given.network], batch=batch,
        learning_rate=given.learning_rate or base.learning_rate,
        loss=LossConfig(name=given.loss),
    )  # fmt: skip


def _mixture(given: argparse.Namespace) -> Mixture | None:
    if not given.captured and not given.chimeras:
        return None
    share = given.difference_share if given.captured else 0.0
    return Mixture(
        captures=given.captures,
        chimeras=given.chimeras,
        difference_share=share,
        moved_share=given.moved_share,
    )
