"""The ablation: finished runs are kept, the table adds up, the memorising gate can fail."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

from training.data.batches import BatchConfig, TensorSet
from training.metrics.verification import Figures
from training.network.options import TrainConfig
from training.reports import ablate
from training.reports.ablate import VARIANTS, memorise, run, table

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")


def _write(path: Path, part: TensorSet) -> None:
    path.mkdir(parents=True)
    np.savez(path / "a.npz", tensor=part.tensors, identity=part.identities, cluster=part.clusters)


def _figures(eer: float) -> Figures:
    return Figures(eer, 0.9, None, eer, 0.8, None, 0.3, 1.2, 1.0, 10, 100, 10)


def test_table_has_mean_and_deviation_over_seeds() -> None:
    lines = table({"both": [_figures(0.01), _figures(0.03)], "depth": [_figures(0.05)]}).splitlines()
    assert lines[2] == (
        "| depth and intensity, aligned in 3-D | 2 | 2.00 +- 1.41 | 90.00 +- 0.00 | - | 80.00 +- 0.00 |"
    )
    assert lines[3] == "| depth only | 1 | 5.00 | 90.00 | - | 80.00 |"


def test_variants_differ_from_the_first_in_one_thing() -> None:
    first = VARIANTS["both"]
    for name, variant in VARIANTS.items():
        changed = [
            field
            for field in ("inputs", "hair_band", "loss", "batch")
            if getattr(variant.config, field) != getattr(first.config, field)
        ]
        assert len(changed) + variant.plain == (name != "both"), name


def test_finished_runs_are_kept_and_unfinished_ones_made(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "data" / "train", people)
    _write(tmp_path / "data" / "val", strangers)
    small = replace(VARIANTS["depth"].config, batch=BatchConfig(identities=4, images=2))
    monkeypatch.setitem(VARIANTS, "depth", replace(VARIANTS["depth"], config=small))
    (tmp_path / "out" / "both-1").mkdir(parents=True)
    kept = _figures(0.125)
    (tmp_path / "out" / "both-1" / "test.json").write_text(json.dumps(kept.__dict__))
    given = argparse.Namespace(
        data=tmp_path / "data", out=tmp_path / "out", test=tmp_path / "data" / "val", seeds=[1], steps=2,
        identities=0, network="small", threads=2, variants=["both", "depth"],
    )  # fmt: skip
    run(given)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["variants"]["both"] == [kept.__dict__]
    assert results["variants"]["depth"][0]["n_genuine"] == 24 * 15
    assert "| depth only | 1 |" in (tmp_path / "out" / "table.md").read_text()
    monkeypatch.setattr(ablate, "train", None)  # not called again
    run(given)
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    given.variants = ["depth"]  # what else is finished stays
    run(given)
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    given.steps = 3
    with pytest.raises(ValueError, match="another comparison"):
        run(given)
    given.steps = 2
    anew = dict(np.load(tmp_path / "data" / "train" / "a.npz")) | {"aligner": "another"}
    np.savez(tmp_path / "data" / "train" / "a.npz", **anew)
    with pytest.raises(ValueError, match="another comparison"):
        run(given)


def test_memorising_gate_fails_what_learns_nothing(people: TensorSet, tmp_path: Path) -> None:
    alike = replace(people, tensors=np.zeros_like(people.tensors))
    with pytest.raises(RuntimeError, match="not memorised"):
        memorise(alike, TrainConfig(steps=2), tmp_path)


def test_plain_crops_need_the_raw_captures(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="raw captures"):
        ablate.load_data(tmp_path / "tensors", None, tmp_path / "plain", plain=True)
