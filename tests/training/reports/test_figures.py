"""Intervals over rendered identities against those of the package, and the report that holds them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.evaluate.intervals import Comparisons, draw_people
from faceid_fast.evaluate.intervals import bootstrap as bootstrap_exactly
from faceid_fast.face.embedder import Embedder
from training.data.batches import TensorSet
from training.metrics.intervals import BLOCK, STEP, bootstrap
from training.metrics.verification import all_pairs, measure
from training.reports import evaluate
from training.reports.figures import describe
from training.ship.model_card import MODEL

THRESHOLDS = {"0.4": 0.4, "threshold": 1.1}
IDENTITIES, CAPTURES = 40, 10


def made(*, seed: int = 0, modalities: int = 1) -> tuple[NDArray[np.float32], TensorSet]:
    """Unit rows of people in clusters of four, in no order, more of them than a block holds."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(rng.standard_normal((IDENTITIES // 4, 16)), 4, axis=0)
    people = clusters + 0.7 * rng.standard_normal((IDENTITIES, 16))
    who = rng.permutation(np.repeat(np.arange(IDENTITIES), CAPTURES)).astype(np.int32)
    rows = people[who] + 0.4 * rng.standard_normal((len(who), 16))
    cluster = np.where(who < 20, who // 4, -1).astype(np.int32)
    seen_by = (np.arange(len(who)) % modalities).astype(np.int32)
    empty = np.zeros((len(who), 1, 1, 1), np.float16)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit, TensorSet(empty, 500 + who, cluster, seen_by)


def test_intervals_are_those_of_the_package() -> None:
    rows, held = made()
    assert len(rows) > BLOCK
    got = bootstrap(rows, held.identities, held.clusters, reach=2.0, thresholds=THRESHOLDS)
    first, second = np.triu_indices(len(rows), 1)
    who = (held.identities - 500).astype(np.int64)
    distances = np.linalg.norm(rows[first].astype(np.float64) - rows[second], axis=1)
    same = who[first] == who[second]
    alike = (held.clusters[first] == held.clusters[second]) & (held.clusters[first] >= 0) & ~same
    draws = draw_people(IDENTITIES)
    for prefix, impostors in (("", ~same), ("hard_", alike)):
        exact = bootstrap_exactly(
            Comparisons(
                distances[same],
                who[first[same]],
                distances[impostors],
                who[first[impostors]],
                who[second[impostors]],
                IDENTITIES,
            ),
            draws,
            THRESHOLDS["threshold"],
        )
        near = {"abs": 2e-3}  # one bin, and float32 products
        assert got[f"{prefix}eer"] == pytest.approx(exact.eer, **near)
        assert got[f"{prefix}tar_at_far_1e_2"] == pytest.approx(exact.tar_at_far["1e-2"], **near)
        assert got[f"{prefix}far_at_threshold"] == pytest.approx(exact.far_at_threshold, **near)
        if not prefix:
            assert got["tar_at_far_1e_3"] == pytest.approx(exact.tar_at_far["1e-3"], **near)
            assert got["frr_at_threshold"] == pytest.approx(exact.frr_at_threshold, **near)
            assert got["genuine_mean"] == pytest.approx(exact.genuine_mean, abs=1e-4)
            assert got["impostor_mean"] == pytest.approx(exact.impostor_mean, abs=1e-4)


def test_far_impostors_change_no_rate() -> None:
    rows, held = made()
    whole, part = (
        bootstrap(rows, held.identities, held.clusters, reach=reach, thresholds={"0.4": 0.4})
        for reach in (2.0, 1.2)
    )
    assert part == whole


def test_figures_lie_within_their_intervals_and_are_those_of_all_pairs() -> None:
    rows, held = made(modalities=2)
    described = describe(rows, held, {"infrared": 1.1, "color": 1.1})
    assert list(described) == ["infrared", "color"]
    for number, part in enumerate(described.values()):
        chosen = held.modalities == number
        pairs = all_pairs(rows[chosen], held.subset(chosen))
        assert part["n_captures"] == chosen.sum()
        assert part["n_impostor"] == len(pairs.impostor)
        assert part["figures"]["eer"]["value"] == pytest.approx(measure(pairs).eer, abs=1e-6)
        assert part["figures"]["far_at_0.4"]["value"] == pytest.approx(
            np.mean(pairs.impostor <= 0.4), abs=1e-6
        )
        for name, figure in part["figures"].items():
            if figure["interval"] is not None and figure["value"] is not None:
                low, high = figure["interval"]
                assert low - STEP <= figure["value"] <= high + STEP, name
        assert part["figures"]["hard_tar_at_far_1e_4"]["value"] is None
        assert (part["n_identity_pairs"], part["n_hard_identity_pairs"]) == (40 * 39 // 2, 5 * 6)
        assert part["figures"]["tar_at_far_1e_2"]["support"] == "full"
        assert part["figures"]["tar_at_far_1e_3"]["support"] == "comparisons_only"
        assert part["figures"]["hard_tar_at_far_1e_3"]["support"] == "none"
    json.dumps(described, allow_nan=False)


def test_pairs_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, held = made(modalities=2)
    found = all_pairs(rows, held)
    monkeypatch.setattr("training.metrics.intervals.BLOCK", 7)
    for kind in ("genuine", "impostor", "hard"):
        once, again = (np.sort(getattr(pairs, kind)) for pairs in (found, all_pairs(rows, held)))
        np.testing.assert_allclose(once, again, atol=2e-4)


def test_the_test_split_of_an_exported_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, held = made()
    (tmp_path / "test").mkdir()
    tensors = rows[:, :, None, None].astype(np.float16)
    np.savez(
        tmp_path / "test" / "0.npz",
        tensor=tensors,
        identity=held.identities,
        cluster=held.clusters,
        aligner="the aligner",
        outcomes=json.dumps({"aligned": len(rows), "misaligned": 2, "no_face": 3}),
    )

    def stand_in(_path: Path) -> object:
        return lambda given: given[:, :, 0, 0].astype(np.float32), {"infrared": 1.1}, {"id": "stand-in"}

    monkeypatch.setattr(evaluate, "_of_model", stand_in)
    out = tmp_path / "figures.json"
    arguments = ["--model", "some.onnx", "--data", str(tmp_path), "--split", "test", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    record = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text()) == record
    assert record["model"] == {"id": "stand-in"}
    assert (record["split"], record["aligner"]) == ("test", "the aligner")
    assert record["thresholds"] == {"infrared": 1.1}
    assert record["modalities"]["infrared"]["n_identities"] == IDENTITIES
    assert record["outcomes"] == {"aligned": len(rows), "misaligned": 2, "no_face": 3}


def test_an_exported_model_is_run_as_the_package_runs_it() -> None:
    embed_all, thresholds, described = evaluate._of_model(MODEL)
    contract = Embedder.bundled().contract
    tensors = np.random.default_rng(0).uniform(-2, 2, (5, *contract.input_shape)).astype(np.float16)
    np.testing.assert_array_equal(embed_all(tensors), Embedder.bundled().embed(tensors.astype(np.float32)))
    assert (thresholds, described["id"]) == (contract.thresholds, contract.model_id)
