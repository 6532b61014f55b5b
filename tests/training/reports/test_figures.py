"""Intervals over rendered identities against those of the package, and the report that holds them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.evaluate.intervals import Comparisons, draw_people
from faceid_fast.evaluate.intervals import bootstrap as bootstrap_exactly
from faceid_fast.face.embedding import Embeddings
from faceid_fast.face.model_contract import INPUTS, KEYS, OUTPUTS
from stand_ins import contract as contract_of
from training.data.batches import TensorSet
from training.fitted.attempts import honest_distances
from training.fitted.key_limits import REFUSED_SHARES
from training.metrics.intervals import BLOCK, STEP, bootstrap
from training.metrics.verification import all_pairs, measure
from training.reports import evaluate
from training.reports.figures import describe
from training.ship.model_card import FIGURES

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


LIMITS = {"infrared": {"shape": 1.2, "picture": 1.3}}


def _shards(folder: Path, rows: NDArray[np.float32], held: TensorSet) -> None:
    folder.mkdir(parents=True)
    np.savez(
        folder / "0.npz",
        tensor=rows[:, :, None, None].astype(np.float16),
        chip=np.full((len(rows), 3, 2, 2), 9, np.uint8),
        identity=held.identities,
        cluster=held.clusters,
        aligner="the aligner",
        outcomes=json.dumps({"aligned": len(rows), "misaligned": 2, "no_face": 3}),
    )


def _stand_in(outputs: tuple[str, ...]) -> evaluate.Measured:
    """Rows as the tensors hold them; with keys only where there are chips."""

    def embed(faces: TensorSet) -> dict[str, NDArray[np.float32]]:
        assert (faces.chips is not None) == (len(outputs) > 1)
        rows = faces.tensors[:, :, 0, 0].astype(np.float32)
        return dict.fromkeys(outputs, rows)

    limits = LIMITS if len(outputs) > 1 else {}
    return evaluate.Measured(embed, {"infrared": 1.1}, limits, {"id": "stand-in"})


@pytest.mark.parametrize("outputs", [("embedding",), OUTPUTS])
def test_the_test_split_of_a_model(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outputs: tuple[str, ...],
) -> None:
    rows, held = made()
    _shards(tmp_path / "test", rows, held)
    monkeypatch.setattr(evaluate, "_of_model", lambda _: _stand_in(outputs))
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
    if len(outputs) == 1:
        assert (record["keys"], record["key_limits"]) == ({}, {})
        return
    assert record["key_limits"] == LIMITS
    joined = record["modalities"]["infrared"]["figures"]
    for key in KEYS:
        figures = record["keys"][key]["infrared"]["figures"]
        assert figures["eer"] == joined["eer"]  # the same rows
        # At the key's own limit, which is looser than the threshold.
        assert figures["far_at_threshold"]["value"] > joined["far_at_threshold"]["value"]


def test_a_joined_run_is_measured_with_the_limits_of_its_renders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, held = made()
    _shards(tmp_path / "val", rows, held)
    _shards(tmp_path / "train", rows, replace(held, identities=held.identities + 5000))
    stand_in = _stand_in(OUTPUTS)
    network = SimpleNamespace(output=dict.fromkeys(OUTPUTS))
    train = ModuleType("training.network.train")
    train.load_best = lambda _: network
    folder = ModuleType("training.network.run_folder")
    folder.inputs_of = folder.read_config = None
    monkeypatch.setitem(sys.modules, "training.network.train", train)
    monkeypatch.setitem(sys.modules, "training.network.run_folder", folder)
    monkeypatch.setattr(evaluate, "embed_joined", lambda _, faces: stand_in.embed(faces))
    measured = evaluate._of_run(tmp_path / "run", tmp_path)
    assert set(measured.limits) == set(measured.thresholds) == {"infrared"}
    honest = honest_distances(rows.astype(np.float16).astype(np.float32), held.identities)
    for key, limit in measured.limits["infrared"].items():
        assert np.mean(honest > limit) <= REFUSED_SHARES[key]


def test_an_exported_model_is_run_as_the_package_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    faces = TensorSet(
        rng.uniform(-2, 2, (5, *INPUTS["tensor"])).astype(np.float16),
        np.arange(5, dtype=np.int32),
        np.full(5, -1, np.int32),
        np.zeros(5, np.int32),
        chips=rng.integers(0, 256, (5, *INPUTS["chip"]), np.uint8),
    )
    seen = []

    def unit(count: int, size: int) -> NDArray[np.float32]:
        return np.tile(np.eye(1, size, dtype=np.float32), (count, 1))

    def embed(tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> Embeddings:
        seen.append((tensors, chips))
        return Embeddings(unit(len(tensors), 128), unit(len(tensors), 64), unit(len(tensors), 32))

    contract = contract_of(thresholds={"infrared": 0.5}, key_limits=LIMITS)
    embedder = SimpleNamespace(embed=embed, contract=contract)
    monkeypatch.setattr(evaluate, "Embedder", lambda *_, **__: embedder)
    measured = evaluate._of_model(FIGURES)  # any file: its hash is taken
    rows = measured.embed(faces)
    assert [rows[name].shape for name in OUTPUTS] == [(5, 128), (5, 64), (5, 32)]
    ((tensors, chips),) = seen
    np.testing.assert_array_equal(tensors, faces.tensors.astype(np.float32))
    np.testing.assert_array_equal(chips, faces.chips)
    assert (measured.thresholds, measured.limits) == (contract.thresholds, LIMITS)
    assert measured.described["id"] == contract.model_id
