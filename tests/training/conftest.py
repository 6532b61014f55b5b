"""Stand-ins for rendered faces: blocky random maps, identities in clusters of four look-alikes."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from faceid_fast.face.crop import TENSOR_SHAPE
from training.data.batches import TensorSet

if TYPE_CHECKING:
    from training.people.person import Identity, Studio

CHANNELS = TENSOR_SHAPE[0]


def make_set(identities: int, images: int, *, first: int = 0, noise: float = 0.5) -> TensorSet:
    """``identities`` x ``images`` tensors, in the order of the identities."""
    rng = np.random.default_rng(first)
    clusters = np.repeat(rng.standard_normal(((identities + 3) // 4, CHANNELS, 9, 8)), 4, axis=0)
    people = clusters[:identities] + 0.8 * rng.standard_normal((identities, CHANNELS, 9, 8))
    blocks = np.repeat(people, images, axis=0)
    blocks = blocks + noise * rng.standard_normal(blocks.shape)
    tensors = np.kron(blocks, np.ones((8, 8))) + 0.1 * rng.standard_normal((len(blocks), *TENSOR_SHAPE))
    who = np.repeat(np.arange(first, first + identities, dtype=np.int32), images)
    seen_by = np.zeros(len(who), np.int32)
    return TensorSet(np.clip(tensors, -2.5, 2.5).astype(np.float16), who, first + (who - first) // 4, seen_by)


@pytest.fixture(scope="session")
def people() -> TensorSet:
    """48 identities x 6."""
    return make_set(48, 6)


@pytest.fixture(scope="session")
def strangers() -> TensorSet:
    """24 other identities x 6."""
    return make_set(24, 6, first=1000)


@pytest.fixture(scope="session")
def studio() -> Studio:
    """What renders of people share; skips without the parametric head."""
    from training.heads.ict import DEFAULT_PATH, ParametricHead
    from training.people.person import Studio

    if not DEFAULT_PATH.is_dir():
        pytest.skip(f"no parametric head: {DEFAULT_PATH} is missing")
    return Studio(ParametricHead.load())


@pytest.fixture(scope="session")
def identity(studio: Studio) -> Identity:
    """Somebody rendered."""
    rng = np.random.default_rng(3)
    return studio.identity(rng, rng.standard_normal(100), hair_varies=False)


@pytest.fixture
def train_in_two_parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[TensorSet, TensorSet, Path, Any], None]:
    """Train, interrupted right after the first checkpoint, and once more to the end."""
    from training.network import train as module

    class Interrupted(Exception):
        pass

    original = module.save_checkpoint

    def interrupt_after(path: Path, *rest: object) -> None:
        original(path, *rest)
        raise Interrupted

    def run(data: TensorSet, held: TensorSet, out: Path, config: Any) -> None:
        monkeypatch.setattr(module, "save_checkpoint", interrupt_after)
        with pytest.raises(Interrupted):
            module.train(data, held, out, config)
        monkeypatch.setattr(module, "save_checkpoint", original)
        module.train(data, held, out, config)

    return run
