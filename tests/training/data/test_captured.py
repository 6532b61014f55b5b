"""Captures of real people in one file, and people left out of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from faceid_fast.sources.renders import bundled_renders
from training.data.captured import Captured, align_captured, load_captured, main
from training.data.layouts.reading import Captures
from training.provenance.aligner import aligner_digest

NAMES = tuple(f"{number:02}" for number in range(54))


def _captured(*people: str) -> Captured:
    count = len(people) * len(NAMES)
    return Captured(
        np.zeros((count, *TENSOR_SHAPE), np.float16),
        np.zeros((count, *CHIP_SHAPE), np.uint8),
        np.repeat(np.array(people), len(NAMES)),
        np.array(NAMES * len(people)),
        np.arange(count, dtype=np.int32) % 2,
        "the aligner",
    )


def _write(path: Path, captured: Captured) -> Path:
    np.savez(
        path,
        tensor=captured.tensors,
        chip=captured.chips,
        person=captured.people,
        name=captured.names,
        modality=captured.modalities,
        aligner=np.array(captured.aligner),
    )
    return path


def test_people_left_out_are_in_nothing() -> None:
    captured = _captured("ada", "ben", "eve")
    captured.chips[captured.people == "eve"] = 7
    captured.tensors[captured.people == "eve"] = 7
    rest = captured.without(["eve"])
    assert len(rest) == 2 * 54
    assert set(rest.people.tolist()) == {"ada", "ben"}
    assert not rest.chips.any()
    assert not rest.tensors.any()
    assert len(rest.names) == len(rest.modalities) == len(rest)
    assert rest.aligner == "the aligner"
    assert len(captured.without([])) == len(captured)


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "captured.npz", _captured("ada", "ben"))
    assert set(load_captured(path, ["ada"]).people.tolist()) == {"ben"}
    for left_out in (["Ada"], ["ada", "mallory"], ["ad"]):
        with pytest.raises(ValueError, match=r"expected people of \['ada', 'ben'\], got"):
            load_captured(path, left_out)
    with pytest.raises(FileNotFoundError):
        load_captured(tmp_path / "nothing.npz")


def test_one_capture_of_each_pose_is_enrolled() -> None:
    captured = _captured("ada", "ben")
    enrolled = captured.are_enrolled()
    assert captured.names[enrolled].tolist() == [f"{pose * 6 + 2:02}" for pose in range(9)] * 2


def test_captures_are_aligned_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for render in bundled_renders():
        if render.person in {"ada", "ben"} and render.kind == "enroll":
            for file in (render.infrared, render.depth, render.camera):
                (tmp_path / "set" / render.person).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, tmp_path / "set" / render.person)
    captured, outcomes = align_captured(Captures(tmp_path / "set", "pairs"))
    assert outcomes == {"aligned": len(captured)}
    assert captured.tensors.shape == (len(captured), *TENSOR_SHAPE)
    assert captured.chips.shape == (len(captured), *CHIP_SHAPE)
    assert captured.chips.any(axis=(1, 2, 3)).all()
    assert captured.aligner == aligner_digest()
    out = tmp_path / "captured.npz"
    words = ["captured", "--data", str(tmp_path / "set"), "--layout", "pairs", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    main()
    assert "0 files skipped" in capsys.readouterr().out
    again = load_captured(out)
    np.testing.assert_array_equal(again.chips, captured.chips)
    np.testing.assert_array_equal(again.people, captured.people)
    assert set(load_captured(out, ["ben"]).people.tolist()) == {"ada"}
