"""Ablation: the same training with one thing changed, over several seeds, to see what each part is worth.

``python -m training.reports.ablate --data DIR/tensors --out OUT --seeds 1 2 3 --steps 800`` trains every
variant with every seed, one after another, and measures all on the same rendered people: those of ``--test``,
or the validation people of the data, by which each run also picks its best weights. Run again, it goes on:
what is finished is kept. After every run ``results.json`` and ``table.md`` (mean +- standard deviation over
the seeds) are written anew.

``--gate memorise`` is the first gate of a network and its loss instead: 64 images must be learnt by heart.
The second is `training.reports.baseline`.

Real captures have no place here: nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from training.data.augment import Augmentation
from training.data.batches import BatchConfig, TensorSet, load_shards, load_split
from training.data.plain_crop import crop_split
from training.metrics.verification import Figures, measure_network
from training.network.losses import LossConfig
from training.network.model import NETWORKS
from training.network.options import TrainConfig
from training.network.train import load_best, set_threads, train
from training.reports.ablation_table import ABLATION_COLUMNS, ablation_rows

MEMORISED_IDENTITIES, MEMORISED_IMAGES = 16, 4
DONE = "test.json"
"""In the folder of a finished run: its figures on the test people."""


@dataclass(frozen=True)
class Variant:
    """A training that differs in one thing.

    Attributes
    ----------
    title : for the table.
    config : seed and steps are filled in.
    plain : trained and measured on plain crops instead of aligned tensors.
    """

    title: str
    config: TrainConfig = field(default_factory=TrainConfig)
    plain: bool = False


def _augmented(**shares: float) -> TrainConfig:
    return TrainConfig(batch=BatchConfig(augmentation=Augmentation(**shares)))


VARIANTS = {
    "both": Variant("depth and intensity, aligned in 3-D"),
    "depth": Variant("depth only", TrainConfig(inputs="depth")),
    "intensity": Variant("intensity only", TrainConfig(inputs="intensity")),
    "no-hair-band": Variant("without the hair band", TrainConfig(hair_band=False)),
    "plain-crop": Variant(
        "2-D crop at the eyes instead of 3-D alignment (`train` and no other set)", plain=True
    ),
    "mirrored": Variant("+ mirroring", TrainConfig(batch=BatchConfig(mirrored_share=0.5))),
    "cut-out": Variant("+ cut-out", _augmented(cut_out_share=0.5)),
    "noise": Variant("+ correlated noise", _augmented(noise_share=0.5)),
    "shifted": Variant("+ shifts by a cell", _augmented(shifted_share=0.5)),
    "depth-only": Variant("+ intensity dropped at times", _augmented(depth_only_share=0.15)),
    "intensity-only": Variant("+ depth dropped at times", _augmented(intensity_only_share=0.15)),
    "gain": Variant("+ contrast of the intensity", _augmented(gain_share=0.5)),
    "hair-dropped": Variant("+ hair band dropped at times", _augmented(hair_dropped_share=0.3)),
    "borrowed": Variant("+ intensity mixed with another face's at times", _augmented(borrowed_share=0.5)),
    "slid": Variant("+ intensity slid against depth", _augmented(slid_share=0.5)),
    "margin": Variant("margin loss instead of InfoNCE", TrainConfig(loss=LossConfig(name="margin"))),
    "no-fine-tune": Variant("no fine-tune", TrainConfig(loss=LossConfig(fine_tune_share=0.0))),
}
"""The first is what the others are compared with."""


@dataclass(frozen=True)
class Data:
    """Tensors of one kind (aligned or plain): training, validation and test."""

    train: TensorSet
    validation: TensorSet
    test: TensorSet


def load_data(folder: Path, test: Path | None, cache: Path, *, plain: bool) -> Data:
    """Load the tensors; the plain ones are cut from ``raw`` beside ``tensors`` and kept in ``cache``.

    Raises
    ------
    FileNotFoundError
        Shards are missing: of tensors, or of raw captures for plain crops.
    """
    if plain:
        for name in ("train", "val"):
            crop_split(folder.parent / "raw" / name, cache / name)
        folder = cache
        if test is not None:
            crop_split(test.parent.parent / "raw" / test.name, cache.with_name(f"{cache.name}-{test.name}"))
            test = cache.with_name(f"{cache.name}-{test.name}")
    data, validation = load_split(folder)
    return Data(data, validation, load_shards(test) if test is not None else validation)


def aligner_of(folder: Path) -> str:
    """Name the aligner that made a folder's tensors, by its first shard; empty if not known.

    Tensors aligned anew lie in the same folder; runs on the old ones must not stand beside those on the new.
    """
    for path in sorted(folder.rglob("*.npz")):
        with np.load(path) as shard:
            return str(shard["aligner"]) if "aligner" in shard else ""
    message = f"no *.npz shard below {folder}"
    raise FileNotFoundError(message)


def run_variant(variant: Variant, data: Data, config: TrainConfig, out: Path) -> None:
    """Train one variant, or resume its training, and measure it on the test people."""
    print(f"{out.name}: {variant.title}", file=sys.stderr)
    keras.backend.clear_session()
    train(data.train, data.validation, out, config)
    held = data.test.seen_through(config.seen)
    figures = measure_network(load_best(out), held)
    (out / DONE).write_text(json.dumps(asdict(figures), indent=1) + "\n")


def table(results: dict[str, list[Figures]]) -> str:
    """Markdown: a row a variant, mean +- standard deviation over its seeds, in percent."""
    titles = ["", "seeds", *ABLATION_COLUMNS.values()]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    runs = {VARIANTS[name].title: [asdict(each) for each in figures] for name, figures in results.items()}
    lines += [f"| {' | '.join(row)} |" for row in ablation_rows(runs)]
    return "\n".join(lines) + "\n"


def memorise(data: TensorSet, config: TrainConfig, out: Path) -> Figures:
    """Train on 64 images and measure on the same images, which must be learnt by heart.

    Raises
    ------
    RuntimeError
        They are not told apart: the network or its loss is broken.
    """
    names, counts = np.unique(data.identities, return_counts=True)
    chosen = names[counts >= MEMORISED_IMAGES][:MEMORISED_IDENTITIES]
    rows = np.concatenate([np.flatnonzero(data.identities == name)[:MEMORISED_IMAGES] for name in chosen])
    few = data.subset(rows)
    batch = BatchConfig(MEMORISED_IDENTITIES, MEMORISED_IMAGES, 0.0)
    figures = train(few, few, out, replace(config, batch=batch, validate_every=config.steps))
    if not (figures.eer <= 0.01 and figures.genuine_mean < 0.5 * figures.impostor_mean):
        message = (
            f"not memorised: EER {figures.eer:.3f}, genuine pairs at {figures.genuine_mean:.2f}, "
            f"impostor pairs at {figures.impostor_mean:.2f}"
        )
        raise RuntimeError(message)
    return figures


def run(given: argparse.Namespace) -> None:
    """Run the variants and seeds that the command line asks for; others in the folder stay in the table.

    Raises
    ------
    ValueError
        The folder holds a comparison on other data, or of other steps, identities or networks.
    FileNotFoundError
        There are no tensors.
    """
    given.out.mkdir(parents=True, exist_ok=True)
    settings = {
        "data": str(given.data),
        "aligner": aligner_of(given.data),
        "test": str(given.test or "validation"),
        "steps": given.steps,
        "identities": given.identities,
        "network": given.network,
    }
    note = given.out / "settings.json"
    if note.exists() and json.loads(note.read_text()) != settings:
        message = f"{given.out} holds another comparison ({note.read_text().strip()}); choose another --out"
        raise ValueError(message)
    note.write_text(json.dumps(settings) + "\n")
    loaded: dict[bool, Data] = {}
    for name in given.variants:
        variant = VARIANTS[name]
        for seed in given.seeds:
            if (given.out / f"{name}-{seed}" / DONE).exists():
                continue
            if variant.plain not in loaded:
                loaded.clear()  # one kind at a time: each fills a gigabyte
                cache = given.out / "plain"
                loaded[variant.plain] = load_data(given.data, given.test, cache, plain=variant.plain)
            config = replace(
                variant.config, seed=seed, steps=given.steps, threads=given.threads,
                identities=given.identities, network=NETWORKS[given.network],
                validate_every=max(1, min(TrainConfig.validate_every, given.steps // 4)),
            )  # fmt: skip
            run_variant(variant, loaded[variant.plain], config, given.out / f"{name}-{seed}")
            write_results(given.out, settings)
    print(table(write_results(given.out, settings)))


def write_results(out: Path, settings: dict[str, object]) -> dict[str, list[Figures]]:
    """Write ``results.json`` and ``table.md`` of all finished runs of a folder, and return their figures."""
    runs = {name: sorted(out.glob(f"{name}-[0-9]*/{DONE}")) for name in VARIANTS}
    results = {
        name: [Figures(**json.loads(path.read_text())) for path in paths]
        for name, paths in runs.items()
        if paths
    }
    content = {
        **settings,
        "seeds": {
            name: [int(path.parent.name.rpartition("-")[2]) for path in runs[name]] for name in results
        },
        "variants": {name: [asdict(each) for each in figures] for name, figures in results.items()},
    }
    (out / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    (out / "table.md").write_text(table(results))
    return results


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of tensors, with train and val")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and the results")
    parser.add_argument("--test", type=Path, help="folder of tensors to measure on, as DIR/tensors/test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--identities", type=int, default=0, help="train on the first so many only")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="small")
    parser.add_argument("--threads", type=int, default=TrainConfig.threads)
    parser.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--gate", choices=("memorise",), help="instead of the comparison")
    given = parser.parse_args()
    set_threads(given.threads)
    if given.gate:
        config = TrainConfig(
            steps=min(given.steps, 150), seed=given.seeds[0], network=NETWORKS[given.network]
        )
        try:
            data, _ = load_split(given.data)
            figures = memorise(data, config, given.out / "memorise")
        except (RuntimeError, ValueError, FileNotFoundError) as error:
            sys.exit(f"error: {error}")
        print(
            f"memorised 64 images: genuine pairs at {figures.genuine_mean:.2f}, "
            f"impostor pairs at {figures.impostor_mean:.2f}"
        )
        return
    try:
        run(given)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
