"""Frames that are left out are named; what is no folder of frames says what it is, and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceid_fast import Frame, Intrinsics, frame, read_frames
from faceid_fast.errors import InvalidInputError, SourceError, SourceWarning
from faceid_fast.frame import as_frames, within_budget
from faceid_fast.sources import datasets, presentations
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.layouts import kinect_v2, npz, open3d, pairs, tum, vap
from faceid_fast.sources.layouts.camera_file import read_camera
from faceid_fast.sources.recognized import listing_at, shots_at
from faceid_fast.sources.recording import playback
from faceid_fast.sources.source import open_source
from written_files import (
    COLOR,
    DEPTH,
    GREY,
    names,
    pair,
    put,
    recorded,
    sequence,
)

# --- nothing is left out silently


def test_frames_without_a_partner_are_named(tmp_path: Path) -> None:
    for number in range(5):
        pair(tmp_path / "ada", str(number))
    for name in ("1_ir.png", "2_ir.png", "3_depth.png"):
        (tmp_path / "ada" / name).unlink()
    found = listing_at(tmp_path / "ada")
    assert ([shot.label for shot in found.shots], names(found)) == (
        ["0", "4"],
        ["1_depth.png", "2_depth.png", "3_ir.png"],
    )
    with pytest.warns(
        SourceWarning, match=r"1_depth.png: no picture beside it; left out: .*3_ir.png: no depth"
    ):
        assert len(read_frames(tmp_path / "ada")) == 2
    with pytest.warns(SourceWarning, match=r"3_ir\.png: no depth"):
        assert len(datasets.captures(tmp_path)) == 2
    with pytest.warns(SourceWarning, match=r"3_ir\.png: no depth"):
        assert len(presentations.live_people(tmp_path)) == 2
    with pytest.raises(
        SourceError, match=r"1_depth.png: no picture beside it; and 2 more: add what is missing"
    ):
        presentations.by_species(tmp_path)


def test_every_layout_names_what_lacks_a_partner(tmp_path: Path) -> None:
    for name in ("07_ir.png", "07_depth.png", "08_ir.png", "09_depth.png"):
        put(tmp_path / "kinect" / name, GREY if "ir" in name else DEPTH)
    for name in ("1_c.bmp", "2_d.dat", "3_c.bmp", "3_d.dat"):
        (tmp_path / "vap").mkdir(exist_ok=True)
        (tmp_path / "vap" / name).write_bytes(b"")
    put(recorded(tmp_path / "open3d") / "color" / "1.jpg", COLOR)
    put(tmp_path / "open3d" / "depth" / "2.png", DEPTH)
    sequence(tmp_path / "tum", [1.0, 2.0], [1.0, 2.5])
    for layout, wanted in {
        "kinect": ["08_ir.png", "09_depth.png"],
        "vap": ["1_c.bmp", "2_d.dat"],
        "open3d": ["1.jpg", "2.png"],
        "tum": ["rgb.txt"],
    }.items():
        found = listing_at(tmp_path / layout)
        assert (len(found.shots), names(found)) == (1, wanted), layout


def test_frames_without_a_camera_are_named_with_what_might_be_one(tmp_path: Path) -> None:
    pair(tmp_path)
    (tmp_path / "camera.json").rename(tmp_path / "0_camera.json")
    put(tmp_path / "1_ir.png", GREY)
    put(tmp_path / "1_depth.png", DEPTH)
    (tmp_path / "camera_info.yaml").write_text("K: []")
    with pytest.warns(
        SourceWarning, match=r"1_depth.png: no camera file: .*; write one from 'camera_info.yaml'"
    ):
        assert [shot.label for shot in shots_at(tmp_path)] == ["0"]
    (tmp_path / "0_camera.json").unlink()
    with pytest.raises(SourceError, match=r"Frames that lack something: .*0_depth.png: no camera file"):
        shots_at(tmp_path)


def test_a_frame_that_cannot_be_read_is_raised_or_skipped_and_named(tmp_path: Path) -> None:
    for number in range(3):
        pair(tmp_path, str(number))
    whole = (tmp_path / "1_depth.png").read_bytes()
    (tmp_path / "1_depth.png").write_bytes(whole[:200])
    with pytest.raises(SourceError, match=r"1_depth\.png: truncated"):
        read_frames(tmp_path)
    with pytest.warns(SourceWarning, match=r"left out: .*1_depth\.png: truncated"):
        assert len(read_frames(tmp_path, on_damage="skip")) == 2
    with pytest.raises(InvalidInputError, match="on_damage: expected raise or skip, got 'ignore'"):
        read_frames(tmp_path, on_damage="ignore")  # type: ignore[arg-type]
    for number in (0, 2):
        (tmp_path / f"{number}_depth.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"expected a frame that can be read, got none: left out: .*0_d"):
        read_frames(tmp_path, on_damage="skip")


def test_folders_below_are_hinted_at_and_never_joined(tmp_path: Path) -> None:
    """They may be sessions of one person, or people: nobody is enrolled by somebody else's frames."""
    for folder in ("first", "second"):
        pair(tmp_path / "ada" / folder)
    with pytest.raises(SourceError, match=r"in folders below, 'first' \(1 frames\), 'second' .*: name one"):
        read_frames(tmp_path / "ada")
    assert len(datasets.captures(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.bag", "faceid record FOLDER --source FILE"),
        ("a.db3", "faceid record FOLDER --source FILE"),
        ("a.MKV", "azure_kinect_mkv_reader"),
        ("a.mcap", "write its frames as NAME_depth.png"),
        ("a.mp4", "a film, which has no depth"),
        ("a.r3d", "a recording of Record3D"),
        ("a.oni", "a recording of OpenNI"),
    ],
)
def test_recordings_say_what_to_do(tmp_path: Path, name: str, part: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).write_bytes(b"")
    for path in (tmp_path / "folder" / name, tmp_path / "folder"):
        with pytest.raises(SourceError) as caught:
            read_frames(path)
        assert f"{name!a} is a" in str(caught.value)
        assert part in str(caught.value)


def test_messages_name_a_few_files_only(tmp_path: Path) -> None:
    for number in range(60):
        put(pair(tmp_path) / f"x{number:02d}_ir.png", GREY)
    found = listing_at(tmp_path)
    assert len(found.left_out) == 60
    assert found.summary().count("left out: ") == 20
    assert found.summary().endswith("40 more were left out")


# --- memory


def made() -> Frame:
    return Frame(
        depth=DEPTH, depth_unit_m=0.001, infrared=GREY, intrinsics=Intrinsics(60.0, 60.0, 32.0, 30.0)
    )


def test_no_more_frames_are_read_than_a_call_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = DEPTH.nbytes + GREY.nbytes
    monkeypatch.setattr(frame, "MAX_CALL_BYTES", 3 * size)
    taken = 0

    def come() -> Any:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield made()

    with pytest.raises(InvalidInputError, match="in one call, got more with frame 3 of 64 x 60: give fewer"):
        as_frames(come())
    assert taken == 4
    assert len(as_frames([made()] * 3)) == 3
    assert len(list(within_budget(iter([made()])))) == 1
    for number in range(10):
        pair(tmp_path, str(number))
    read = []
    monkeypatch.setattr(pairs, "read_frame", lambda *_, **__: read.append(0) or made())
    with pytest.raises(InvalidInputError, match="in one call, got more"):
        read_frames(tmp_path)
    assert len(read) == 4


def test_no_path_is_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pair(tmp_path / "ada"))
    readers: tuple[Callable[[str], object], ...] = (
        read_frames,
        shots_at,
        datasets.captures,
        presentations.by_species,
        presentations.live_people,
        presentations.is_by_species,
        playback,
        open_source,
        read_camera,
        read_png,
        kinect_v2.captures,
        npz.read_npz,
        vap.read_dat,
        lambda path: pairs.read_frame("0_ir.png", "0_depth.png", path),
        lambda path: tum.read_pair(path, "0_depth.png"),
        lambda path: open3d.read_pair("0_ir.png", path, "camera.json"),
    )
    for reader in readers:
        with pytest.raises(InvalidInputError, match=r"got an empty one; the working directory is '\.'"):
            reader("")
    assert len(read_frames(".")) == 1


def test_listing_many_files_takes_no_time_that_grows_with_its_square(tmp_path: Path) -> None:
    """A folder is listed once: counted, not timed."""
    for number in range(50):
        put(pair(tmp_path) / f"{number}_depth.png", DEPTH)
        put(tmp_path / f"{number}_ir.png", GREY)
    listed = 0
    iterate = Path.iterdir

    def counting(folder: Path) -> Any:
        nonlocal listed
        listed += 1
        return iterate(folder)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(Path, "iterdir", counting)
        assert len(shots_at(tmp_path)) == 50
    assert listed <= 2 * 6
