"""``faceid calibrate`` and ``faceid vault adopt``: thresholds that the data carries, and no others."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from faceid_fast.calibration.binomial import shows
from faceid_fast.calibration.evidence import MeasuredThreshold
from faceid_fast.cli import app
from faceid_fast.errors import CalibrationError, SourceError
from faceid_fast.evaluate.acquisition import Acquired, AcquiredKeys
from faceid_fast.evaluate.calibrate import check_enough, check_target, data_sha256, measure
from faceid_fast.evaluate.protocols import Compared, compare
from faceid_fast.face.embedder import Embedder
from faceid_fast.frame import Frame
from faceid_fast.matching.thresholds import vouched
from faceid_fast.outcome import Outcome
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.vault import Vault
from stand_ins import MODEL_SHA256, StandInEmbedder, frame_of, unit


@dataclass(frozen=True)
class Shot:
    person: str
    number: int
    pose: int | None = None
    expression: int | None = None

    @property
    def label(self) -> str:
        return str(self.number)

    def read(self) -> Frame:
        return frame_of(self.number)


def crowd(
    people: int, captures: int = 4, spread: float = 0.3, failed: dict[int, Outcome] | None = None
) -> Compared:
    """People in random directions, captures around them."""
    random = np.random.default_rng(3)
    centers = random.normal(size=(people, 1, 16))
    vectors = centers / np.linalg.norm(centers, axis=2, keepdims=True) + random.normal(
        0.0, spread / 4, (people, captures, 16)
    )
    vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).reshape(-1, 16).astype(np.float32)
    for index in failed or {}:
        vectors[index] = np.nan
    shots = [Shot(f"person {p}", n) for p in range(people) for n in range(captures)]
    return compare(Acquired(shots, vectors, failed or {}, "infrared"))


def measured_of(compared: Compared, target_far: float) -> MeasuredThreshold:
    return measure(
        compared,
        StandInEmbedder().as_embedder(),
        target_far,
        data_sha256="ab" * 32,
        command="faceid calibrate",
    )


@pytest.mark.parametrize("target_far", [0.01, 0.03, 0.1])
def test_the_threshold_is_the_largest_that_the_pairs_carry(target_far: float) -> None:
    compared = crowd(40)
    found = measured_of(compared, target_far)
    strangers = compared.protocols["unlock"]
    pairs = np.full((40, 40), np.inf)
    np.minimum.at(pairs, (strangers.first, strangers.second), strangers.impostor)
    nearest = np.sort(np.minimum(pairs, pairs.T)[np.triu_indices(40, 1)])
    assert found.person_pairs == len(nearest) == 780
    assert found.matched_person_pairs == (nearest <= found.threshold).sum()
    assert shows(found.matched_person_pairs, 780, target_far)
    one_more = (nearest <= found.threshold + 1e-4).sum()
    assert one_more > found.matched_person_pairs or nearest[one_more] - found.threshold < 2e-4
    assert not shows(int((nearest <= nearest[found.matched_person_pairs]).sum()), 780, target_far)
    assert found.fmr == np.mean(strangers.impostor <= found.threshold) <= found.fmr_upper <= target_far
    assert found.fnmr == np.mean(strangers.genuine > found.threshold)
    assert (found.people, found.captures, found.trials) == (40, 160, len(strangers.impostor))
    assert found.model_sha256 == MODEL_SHA256


def test_the_threshold_is_the_distances_and_the_counts_are_the_products() -> None:
    """Keys that refuse some do not raise the threshold; what is counted at it is what they let through."""
    plain, random = crowd(40), np.random.default_rng(8)
    keys = [random.standard_normal((160, size)) + 2 * np.eye(size)[0] for size in (8, 8)]
    unit_keys = [(each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in keys]
    acquired = replace(plain.acquired, keys=AcquiredKeys(*unit_keys, {"shape": 0.9, "picture": 0.9}))
    found, without = measured_of(compare(acquired), 0.1), measured_of(plain, 0.1)
    assert found.threshold == without.threshold
    genuine, impostor = compare(acquired).protocols["unlock"].decided()
    assert 0 < found.fmr == np.mean(impostor <= found.threshold) < without.fmr
    assert found.fnmr is not None
    assert found.fnmr == np.mean(genuine > found.threshold) > without.fnmr
    assert found.matched_person_pairs < without.matched_person_pairs
    assert found.fmr_upper < without.fmr_upper
    assert found.fnmr_interval != without.fnmr_interval
    assert (found.trials, found.person_pairs) == (without.trials, without.person_pairs)


def test_failed_captures_are_no_trials() -> None:
    failed = dict.fromkeys((*range(4), 9), Outcome.NO_FACE)  # one person altogether
    found = measured_of(crowd(40, failed=failed), 0.05)
    assert found.person_pairs == 39 * 38 // 2
    assert found.failure_to_acquire == 5 / 160
    assert found.genuine_trials == 78  # the ninth was a reference


def test_who_looks_like_a_copy_is_noticed() -> None:
    compared = compare(
        Acquired(
            [Shot(f"{p}", n) for p in range(20) for n in range(2)], np.stack([unit(0)] * 40), {}, "infrared"
        )
    )
    with pytest.raises(CalibrationError, match="is one person in two folders"):
        measured_of(compared, 0.1)


def test_too_few_people_are_told_how_many_it_takes() -> None:
    with pytest.raises(CalibrationError) as refused:
        check_enough(1e-3, 6, 15)
    message = str(refused.value)
    assert "0.001 takes 3,000 pairs of people, which are 78 people, got 15 pairs of 6 people" in message
    assert "try --target-far 0.2" in message
    check_enough(1e-3, 78, 78 * 77 // 2)
    with pytest.raises(CalibrationError, match="more people are needed"):
        check_enough(0.5, 2, 1)
    with pytest.raises(CalibrationError, match="got 0 pairs of 1 people"):
        check_enough(0.5, 1, 0)
    with pytest.raises(CalibrationError, match="takes 3,000 pairs"):
        measured_of(crowd(6), 1e-3)
    for target in (0.0, 1.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(CalibrationError, match=r"expected a rate in \(0, 1\)"):
            check_target(target)


def test_the_data_s_hash_is_what_coreutils_say(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name, content in {"b/1": b"one", "a/2": b"", "a/é": b"x" * 3_000_000, "top": b"t"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    seen: list[None] = []
    found = data_sha256(root, lambda: seen.append(None))
    assert len(seen) == 4
    if shutil.which("sha256sum"):
        command = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
        said = subprocess.run(["sh", "-c", command], cwd=root, capture_output=True, text=True, check=True)  # noqa: S607
        assert found == said.stdout.split()[0]
    (root / "top").write_bytes(b"T")
    assert data_sha256(root) != found
    (root / "top").write_bytes(b"t")
    (root / "top").rename(root / "tip")
    assert data_sha256(root) != found
    (root / "a" / "round").symlink_to(root)
    (root / "a" / "gone").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe")
    assert data_sha256(root)
    assert data_sha256(tmp_path / "data" / "a" / "..") == data_sha256(root)
    with pytest.raises(SourceError, match="not readable"):
        data_sha256(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert data_sha256(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


def faceid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for render in bundled_renders():
        number = {"enroll": render.number * 6 + 2, "probe": 24 + 3 * render.number}.get(render.kind)
        if number is not None:
            (root / render.person).mkdir(parents=True, exist_ok=True)
            shutil.copy(render.infrared, root / render.person / f"{number:02d}_ir.png")
            shutil.copy(render.depth, root / render.person / f"{number:02d}_depth.png")
    return root


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    key = tmp_path / "key"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    return tmp_path / "vault"


def test_calibrate_refuses_before_the_work_what_three_people_cannot_show(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    for target, said in (("0.5", "got 3 pairs of 3 people: more people are needed"), ("0", "in (0, 1)")):
        result = faceid("calibrate", data, "--target-far", target, "--out", out)
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert "--out: " in faceid("calibrate", data, "--target-far", "0.5", "--out", tmp_path).stderr
    assert not out.exists()


def test_what_calibrate_writes_a_vault_adopts_and_forgets(data: Path, vault: Path, tmp_path: Path) -> None:
    for person in ("ada", "ben"):  # five people, of whom two look like two others
        shutil.copytree(data / person, data / f"the twin of {person}")
    out = tmp_path / "calibration.json"
    result = faceid("calibrate", data, "--target-far", "0.7", "--out", out, "--json", "-")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads(out.read_text())
    assert (record["people"], record["person_pairs"]) == (5, 10)
    assert record["matched_person_pairs"] >= 2
    assert record["command"].endswith("--target-far 0.7 --layout auto")

    at = ("--vault", vault)
    foreign = faceid("vault", "adopt", out, *at)
    assert foreign.exit_code == 2
    assert "only the credential can confirm it, and none is set" in foreign.stderr
    sealed = faceid("calibrate", data, "--target-far", "0.7", "--out", out, *at)
    assert sealed.exit_code == 0, sealed.output
    own = Embedder.bundled().contract.thresholds["infrared"]
    looser = faceid("vault", "adopt", out, *at)
    assert (looser.exit_code == 0) == (record["threshold"] <= own)
    if record["threshold"] > own:
        assert looser.exit_code == 2
        assert "unless the evidence is for a share of strangers of 0.0001" in looser.stderr
    record.pop("sha256")
    stricter = MeasuredThreshold.from_record({**record, "threshold": 0.3})
    out.write_text(stricter.to_json())
    assert faceid("vault", "adopt", out, *at).exit_code == 2  # written by hand
    with Vault.open(vault) as store:
        out.write_text(vouched(store, stricter).to_json())
    assert faceid("vault", "adopt", out, *at).exit_code == 0
    shown = json.loads(faceid("vault", "info", *at, "--json", "-").stdout)["adopted"]
    assert [(each["modality"], each["threshold"]) for each in shown] == [("infrared", 0.3)]
    assert "infrared 0.3000: at most 0.7 of strangers" in " ".join(
        faceid("vault", "info", *at).stdout.split()
    )
    assert "infrared: the model's own" in faceid("vault", "adopt", "--forget", "infrared", *at).stdout
    assert "none was adopted" in faceid("vault", "adopt", "--forget", "infrared", *at).stdout
    assert json.loads(faceid("vault", "info", *at, "--json", "-").stdout)["adopted"] == []
    kinds = [event["what"] for event in json.loads(faceid("audit", *at, "--json", "-").stdout)["events"]]
    assert kinds[-2:] == ["threshold_adopted", "threshold_forgotten"]


def test_what_is_not_adopted(vault: Path, tmp_path: Path) -> None:
    at = ("--vault", vault)
    (tmp_path / "edited.json").write_text('{"schema_version": 1, "threshold": 1.9}')
    Vault.open(vault, create=True).close()
    for arguments, said in (
        ((), "expected a FILE or --forget MODALITY"),
        ((tmp_path / "edited.json", "--forget", "color"), "expected a FILE or --forget MODALITY"),
        ((tmp_path / "edited.json",), "got a changed one"),
        ((tmp_path / "nothing.json",), "not readable"),
        (("--forget", "thermal"), "modality: expected infrared or color"),
    ):
        result = faceid("vault", "adopt", *arguments, *at)
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
