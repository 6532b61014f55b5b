"""Tensors in memory, and the batches of a training drawn from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Augmentation, InputChoice

MODALITIES = ("infrared", "color")
"""By their numbers in the shards."""

Ints = NDArray[np.int32]
Floats16 = NDArray[np.float16]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class TensorSet:
    """Aligned tensors and who is on them.

    Attributes
    ----------
    tensors : (N, C, 72, 64) float16, depth and then red, green, blue, as `FaceAligner` makes them.
    identities : (N,) int32.
    clusters : (N,) int32; identities of one cluster look alike; -1 for none.
    modalities : (N,) int32; 0 where infrared stands in for the three colours, 1 where they are colours.
    aligner : which aligner made the tensors, as `training.data.build` names it; empty if not known.
    chips : (N, 3, 150, 150) uint8, the pictures' chips, where they were asked for.
    """

    tensors: Floats16
    identities: Ints
    clusters: Ints
    modalities: Ints
    aligner: str = ""
    chips: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.identities)

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> TensorSet:
        """Subset of the rows that a mask or an index array chooses."""
        return TensorSet(
            self.tensors[chosen],
            self.identities[chosen],
            self.clusters[chosen],
            self.modalities[chosen],
            self.aligner,
            None if self.chips is None else self.chips[chosen],
        )

    def rows_of_modalities(self) -> dict[str, NDArray[np.int64]]:
        """Rows of each modality that there is, by its name."""
        return {MODALITIES[k]: np.flatnonzero(self.modalities == k) for k in np.unique(self.modalities)}

    def first_identities(self, count: int) -> TensorSet:
        """Only the ``count`` identities with the smallest numbers; itself if it has no more."""
        names = np.unique(self.identities)
        return self if count >= len(names) else self.subset(np.isin(self.identities, names[:count]))

    def seen_through(self, inputs: InputChoice) -> TensorSet:
        """Same set with what ``inputs`` leaves out set to 0; itself if nothing is left out."""
        if inputs.complete:
            return self
        tensors = self.tensors.copy()
        inputs.empty_rest(tensors)
        return replace(self, tensors=tensors)


def load_shards(*folders: Path, labels_only: bool = False, with_chips: bool = False) -> TensorSet:
    """Read every ``*.npz`` shard below some folders, in the order of their names.

    A shard holds ``tensor`` (n, C, 72, 64) float16, ``identity`` (n,) int32, and may hold
    ``cluster`` (n,) int32, ``modality`` (n,) integer and ``aligner`` (a string); other arrays are left
    alone. ``labels_only`` leaves the tensors, which fill gigabytes, on the disk: there are no rows of them.
    ``with_chips`` reads ``chip`` (n, 3, 150, 150) uint8 too, which training sets do not have.

    Raises
    ------
    FileNotFoundError
        A folder holds no shard.
    ValueError
        The shards were made by different aligners.
    """
    paths = []
    for folder in folders:
        found = sorted(folder.rglob("*.npz"))
        if not found:
            message = f"no *.npz shard below {folder}"
            raise FileNotFoundError(message)
        paths += found
    identities, clusters, modalities, chips, aligners = [], [], [], [], set()
    for path in paths:
        with np.load(path) as shard:
            identity = shard["identity"].astype(np.int32)
            cluster = shard["cluster"] if "cluster" in shard else np.full(len(identity), -1)
            modality = shard["modality"] if "modality" in shard else np.zeros(len(identity))
            aligners.add(str(shard["aligner"]) if "aligner" in shard else "")
            if with_chips:
                chips.append(_chips_of(path, shard, len(identity)))
        identities.append(identity)
        clusters.append(cluster.astype(np.int32))
        modalities.append(modality.astype(np.int32))
    if len(aligners) > 1:
        message = f"{folders[0]}: expected tensors of one aligner, got {sorted(aligners)}"
        raise ValueError(message)
    # One allocation: shards of a full training set fill about a gigabyte, and a concatenation
    # would need it twice.
    counts = [len(identity) for identity in identities]
    tensors: Floats16 | None = np.empty((0, 0, 0, 0), np.float16) if labels_only else None
    start = 0
    for path, count in () if labels_only else zip(paths, counts, strict=True):
        with np.load(path) as shard:
            content = shard["tensor"]
        if tensors is None:
            tensors = np.empty((sum(counts), *content.shape[1:]), np.float16)
        tensors[start : start + count] = content
        start += count
    assert tensors is not None
    return TensorSet(
        tensors,
        np.concatenate(identities),
        np.concatenate(clusters),
        np.concatenate(modalities),
        aligners.pop(),
        np.concatenate(chips) if with_chips else None,
    )


def _chips_of(path: Path, shard: Any, count: int) -> NDArray[np.uint8]:
    chips: NDArray[np.uint8] = shard["chip"] if "chip" in shard else np.empty((0,), np.uint8)
    if len(chips) != count:
        message = f"{path}: expected a chip for each of {count} tensors, got {len(chips)}: align the set anew"
        raise ValueError(message)
    return chips


def load_split(
    folder: Path, held_out_share: float = 0.1, *, with_chips: bool = False
) -> tuple[TensorSet, TensorSet]:
    """Read training and validation tensors, with no identity and no cluster in both.

    All folders whose names begin with ``train``, and ``folder/val``, where the renderer made them; otherwise
    the identities with the largest numbers are held out (whole clusters of them). ``with_chips`` reads the
    chips of validation tensors too, and of all where nothing says which these are.
    """
    if (folder / "val").is_dir():
        train = load_shards(*_train_folders(folder))
        validation = load_shards(folder / "val", with_chips=with_chips)
        _check_apart(train, validation)
        return train, validation
    everything = load_shards(folder, with_chips=with_chips)
    groups = np.where(everything.clusters >= 0, everything.clusters, -1 - everything.identities)
    names, newest = np.unique(groups, return_index=True)
    names = names[np.argsort(everything.identities[newest], kind="stable")]
    held_out = np.isin(groups, names[-max(1, round(held_out_share * len(names))) :])
    return everything.subset(~held_out), everything.subset(held_out)


def load_held(folder: Path, *, with_chips: bool = False) -> TensorSet:
    """Read the validation tensors alone, with the checks of `load_split`."""
    if not (folder / "val").is_dir():
        return load_split(folder, with_chips=with_chips)[1]
    validation = load_shards(folder / "val", with_chips=with_chips)
    _check_apart(load_shards(*_train_folders(folder), labels_only=True), validation)
    return validation


def _train_folders(folder: Path) -> list[Path]:
    """Everything to train on: ``train``, and what was rendered or aligned otherwise (``train_misfit``)."""
    found = sorted(path for path in folder.glob("train*") if path.is_dir())
    return found or [folder / "train"]  # which is then said to be missing


def _check_apart(train: TensorSet, validation: TensorSet) -> None:
    shared = np.intersect1d(train.identities, validation.identities)
    if shared.size:
        message = f"{shared.size} identities are in both train and val, first {shared[0]}"
        raise ValueError(message)
    if train.aligner != validation.aligner:
        message = f"train is aligned by {train.aligner!r}, val by {validation.aligner!r}"
        raise ValueError(message)


@dataclass(frozen=True)
class BatchConfig:
    """Composition of a batch.

    Attributes
    ----------
    identities, images : P identities with K images each.
    clustered_share : share of the identities drawn as whole clusters of look-alikes, the hard
        negatives: random identities are told apart easily, and their pairs soon teach nothing.
    mirrored_share : share of the images that are mirrored and keep their identity: 98 % of the
        variance of the identity modes is symmetric, so this is the same head turned the other way.
    augmentation : what else is done to the images; nothing by default.
    """

    identities: int = 48
    images: int = 4
    clustered_share: float = 0.5
    mirrored_share: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)


_AUGMENTATION_STREAM = 1
"""Of the seeds: an augmentation leaves the choice of images as it was."""


class BatchSampler:
    """Draws batches for a training. Batch number n depends on (seed, n) alone: a resumed run sees the same.

    Parameters
    ----------
    tensors : of 2 or more identities with 2 or more images each; others are left out.
    config : what a batch is made of; a set of fewer identities gives smaller batches.
    seed : of all that is drawn.
    inputs : what the network may see; the rest is emptied, after the augmentations.

    Raises
    ------
    ValueError
        Fewer than 2 identities have 2 images.
    """

    def __init__(
        self, tensors: TensorSet, config: BatchConfig, seed: int, inputs: InputChoice | None = None
    ) -> None:
        self._set = tensors
        self._config = config
        self._seed = seed
        self._inputs = inputs or InputChoice()
        order = np.argsort(tensors.identities, kind="stable")
        names, starts = np.unique(tensors.identities[order], return_index=True)
        rows = np.split(order, starts[1:])
        self._rows = [row for row in rows if len(row) >= 2]
        if len(self._rows) < 2:
            message = (
                f"expected 2 or more identities with 2 or more images, got {len(self._rows)} of {len(names)}"
            )
            raise ValueError(message)
        cluster_of = np.array([tensors.clusters[row[0]] for row in self._rows])
        self._clusters = [
            members
            for name in np.unique(cluster_of[cluster_of >= 0])
            if len(members := np.flatnonzero(cluster_of == name)) >= 2
        ]

    @property
    def identity_count(self) -> int:
        """Number of identities that can be drawn."""
        return len(self._rows)

    @property
    def batch_size(self) -> int:
        """Images of a batch."""
        return min(self._config.identities, len(self._rows)) * self._config.images

    def draw(self, number: int) -> tuple[Floats32, Ints]:
        """Batch ``number``: (P*K, C, 72, 64) float32 tensors and their (P*K,) identities."""
        rng = np.random.default_rng([self._seed, number])
        kinds: dict[int, int] = {}
        chosen = np.concatenate([self._images_of(who, rng, kinds) for who in self._identities(rng)])
        tensors = self._set.tensors[chosen].astype(np.float32)
        mirrored = rng.random(len(chosen)) < self._config.mirrored_share
        tensors[mirrored] = tensors[mirrored, :, :, ::-1]
        stream = np.random.default_rng([self._seed, number, _AUGMENTATION_STREAM])
        self._config.augmentation.apply(tensors, stream)
        self._inputs.empty_rest(tensors)
        return tensors, self._set.identities[chosen]

    def _identities(self, rng: np.random.Generator) -> NDArray[np.int64]:
        wanted = min(self._config.identities, len(self._rows))
        clustered = round(self._config.clustered_share * wanted) if self._clusters else 0
        drawn: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        room = clustered
        for index in rng.permutation(len(self._clusters)):
            if room < 2:  # a single member has no look-alike beside it
                break
            members = rng.permutation(self._clusters[index])[:room]
            drawn.append(members)
            room -= len(members)
        first = np.concatenate(drawn)
        others = np.setdiff1d(np.arange(len(self._rows)), first)
        return np.concatenate([first, rng.choice(others, wanted - len(first), replace=False)])

    def _images_of(self, who: int, rng: np.random.Generator, kinds: dict[int, int]) -> NDArray[np.int64]:
        """Images of one kind, infrared or colour: frames are compared within one kind only.

        ``kinds`` holds the kind of every cluster in the batch, so that look-alikes meet in the same.
        """
        rows = self._rows[who]
        cluster = int(self._set.clusters[rows[0]])
        there, counts = np.unique(self._set.modalities[rows], return_counts=True)
        there, counts = there[counts >= 2], counts[counts >= 2]
        if len(there):
            kind = kinds.get(cluster, -1)
            if kind not in there:
                kind = int(rng.choice(there, p=counts / counts.sum()))
            if cluster >= 0:
                kinds.setdefault(cluster, kind)
            rows = rows[self._set.modalities[rows] == kind]
        return rng.choice(rows, self._config.images, replace=len(rows) < self._config.images)


def prefetch(
    draw: Callable[[int], tuple[Floats32, Ints]], numbers: Iterable[int], ahead: int = 3
) -> Iterator[tuple[Floats32, Ints]]:
    """Yield batches in order, drawn by another thread up to ``ahead`` batches before they are asked for.

    numpy works while TensorFlow does. What ``draw`` raises is raised where its batch is asked for.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        waiting: deque[Future[tuple[Floats32, Ints]]] = deque()
        try:
            for number in numbers:
                waiting.append(thread.submit(draw, number))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # left early: what is not begun is not wanted any more
            thread.shutdown(cancel_futures=True)
