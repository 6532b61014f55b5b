"""What a picture holds is said by its name or by the caller, never guessed; which names are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid_fast import read_frames
from faceid_fast.errors import InvalidInputError, SourceError, SourceWarning
from faceid_fast.sources import datasets, presentations
from faceid_fast.sources.layouts import pairs
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.recognized import listing_at, shots_at
from faceid_fast.sources.recording import playback
from faceid_fast.sources.source import open_source
from written_files import (
    CAMERA,
    COLOR,
    DEPTH,
    GREY,
    THREE,
    camera,
    pair,
    put,
    recorded,
    sequence,
)

# --- what a picture is


def test_infrared_in_three_equal_channels_is_infrared(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_frames(pair(tmp_path / "pairs", image=THREE))[0].infrared, GREY)
    put(tmp_path / "kinect" / "07_ir.png", THREE)
    put(tmp_path / "kinect" / "07_depth.png", DEPTH)
    np.testing.assert_array_equal(read_frames(tmp_path / "kinect")[0].infrared, GREY)
    np.savez(tmp_path / "a.npz", depth=DEPTH, infrared=THREE, **CAMERA)  # type: ignore[arg-type]
    np.testing.assert_array_equal(read_frames(tmp_path / "a.npz")[0].infrared, GREY)


@pytest.mark.parametrize("kind", ["ir", "infrared", "IR"])
def test_colour_that_is_named_infrared_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceError, match=r"infrared: .* of other channels, as colour has: name it so"):
        read_frames(pair(tmp_path, image=COLOR, kind=kind))


@pytest.mark.parametrize("kind", ["color", "rgb", "RGB"])
def test_a_grey_picture_is_infrared_only_when_it_is_said_to_be(tmp_path: Path, kind: str) -> None:
    pair(tmp_path, kind=kind)
    for picture in (None, "color"):
        with pytest.raises(SourceError, match=r"got one channel, \(60, 64\): if it is infrared"):
            read_frames(tmp_path, picture=picture)
    np.testing.assert_array_equal(read_frames(tmp_path, picture="infrared")[0].infrared, GREY)


def test_other_layouts_in_which_colour_is_grey(tmp_path: Path) -> None:
    recorded(tmp_path / "open3d")
    assert read_frames(tmp_path / "open3d", picture="infrared")[0].modality == "infrared"
    sequence(tmp_path / "tum", [1.0], [1.0])
    with pytest.raises(SourceError, match="of other channels"):
        read_frames(tmp_path / "tum", picture="infrared")
    put(tmp_path / "tum" / "rgb" / "1.0.png", GREY)
    assert read_frames(tmp_path / "tum", picture="infrared")[0].modality == "infrared"
    with pytest.raises(SourceError, match="got one channel"):
        read_frames(tmp_path / "tum")
    put(tmp_path / "kinect" / "07_ir.png", GREY)
    put(tmp_path / "kinect" / "07_depth.png", DEPTH)
    with pytest.raises(SourceError, match=r"07_depth\.png: no colour picture beside it"):
        read_frames(tmp_path / "kinect", picture="color")
    with pytest.raises(InvalidInputError, match="picture: expected infrared or color, or None, got 'depth'"):
        read_frames(tmp_path / "kinect", picture="depth")


def test_of_two_pictures_one_is_taken_and_said(tmp_path: Path) -> None:
    put(pair(tmp_path / "set" / "ada") / "0_color.png", COLOR)
    folder = tmp_path / "set" / "ada"
    with pytest.warns(
        SourceWarning, match=r"1 of 1 frames have .*: colour is taken; --picture infrared"
    ) as said:
        assert read_frames(folder)[0].modality == "color"
    assert said[0].filename == __file__
    for picture in ("infrared", "color"):
        assert read_frames(folder, picture=picture)[0].modality == picture
        assert shots_at(folder / "0_ir.png", picture=picture)[0].read().modality == picture
        assert datasets.captures(tmp_path / "set", picture=picture)[0].read().modality == picture
        assert presentations.by_species(tmp_path / "set", picture=picture)[0].read().modality == picture
        assert presentations.live_people(tmp_path / "set", picture=picture)[0].read().modality == picture
        with open_source(folder, picture=picture) as source:
            assert next(source).modality == picture
        assert next(playback(folder, picture=picture)).modality == picture
    np.savez(tmp_path / "a.npz", depth=DEPTH, infrared=GREY, color=COLOR, **CAMERA)  # type: ignore[arg-type]
    with pytest.raises(
        SourceError, match=r"choose one: --picture infrared .*pad-report: --modality infrared"
    ):
        read_frames(tmp_path / "a.npz")
    assert read_frames(tmp_path / "a.npz", picture="infrared")[0].modality == "infrared"


# --- names


def test_files_of_systems_are_ignored(tmp_path: Path) -> None:
    pair(tmp_path)
    for name in (
        "._0_depth.png",
        "._0_ir.png",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "._camera.json",
        "._a.npz",
    ):
        (tmp_path / name).write_bytes(b"\0\5\x16\7 of a system")
    (tmp_path / "__MACOSX").mkdir()
    assert listing_at(tmp_path).left_out == listing_at(tmp_path / "0_ir.png").left_out == ()
    assert len(read_frames(tmp_path)) == 1
    for name in ("._0_depth.png", "._0_ir.png", "._a.npz", "Thumbs.db"):
        with pytest.raises(SourceError, match="got a file of the system"):
            read_frames(tmp_path / name)
    (tmp_path / "set" / "mask").mkdir(parents=True)
    pair(tmp_path / "set" / "mask")
    (tmp_path / "set" / "__MACOSX").mkdir()
    (tmp_path / "set" / "mask" / "._0_depth.png").write_bytes(b"\0")
    assert len(presentations.by_species(tmp_path / "set")) == len(datasets.captures(tmp_path / "set")) == 1


@pytest.mark.parametrize(
    ("depth", "image", "label"),
    [
        ("0_depth.PNG", "0_ir.PNG", "0"),
        ("0_Depth.png", "0_Color.JPG", "0"),
        ("0_depth.png", "0_rgb.JPEG", "0"),
        ("depth_0001.png", "rgb_0001.png", "0001"),
        ("depth_0001.png", "color_0001.jpg", "0001"),
        ("depth_0001.png", "ir_0001.png", "0001"),
        ("Depth_0001.PNG", "infrared_0001.png", "0001"),
    ],
)
@pytest.mark.parametrize("place", ["camera.json", "own"])
def test_names_of_pairs(tmp_path: Path, depth: str, image: str, label: str, place: str) -> None:
    grey = image.lower().startswith("ir_") or "ir." in image.lower() or "infrared" in image
    put(tmp_path / depth, DEPTH)
    put(tmp_path / image, GREY if grey else COLOR)
    camera(tmp_path / (f"camera_{label}.json" if place == "own" else place))
    for path in (tmp_path, tmp_path / depth, tmp_path / image):
        (shot,) = shots_at(path)
        assert shot.label == label
        assert shot.read().modality == ("infrared" if grey else "color")


def test_capitals_in_every_layout(tmp_path: Path) -> None:
    put(tmp_path / "kinect" / "07_ir.PNG", GREY)
    put(tmp_path / "kinect" / "07_depth.png", DEPTH)
    recorded(tmp_path / "open3d")
    (tmp_path / "open3d" / "color" / "0.jpg").rename(tmp_path / "open3d" / "color" / "0.JPG")
    (tmp_path / "open3d" / "depth" / "0.png").rename(tmp_path / "open3d" / "depth" / "0.PNG")
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "a", depth=DEPTH, color=COLOR, **CAMERA)  # type: ignore[arg-type]
    (tmp_path / "npz" / "a.npz").rename(tmp_path / "npz" / "a.NPZ")
    (tmp_path / "vap").mkdir()
    (tmp_path / "vap" / "1_D.DAT").write_text("1\t" * 640)
    put(tmp_path / "vap" / "1_C.BMP", COLOR)
    assert {shot.layout for shot in datasets.captures(tmp_path)} == {"kinect_v2", "open3d", "npz", "vap"}
    assert [shot.label for shot in shots_at(tmp_path / "vap" / "1_C.BMP")] == ["1"]


def test_two_files_of_a_kind_are_not_chosen_between(tmp_path: Path) -> None:
    np.save(pair(tmp_path / "a") / "0_depth.npy", DEPTH)  # beside a picture of it, often enough
    with pytest.raises(
        SourceError, match=r"one file of a kind for frame '0', got '0_depth.npy', '0_depth.png'"
    ):
        shots_at(tmp_path / "a")
    put(pair(tmp_path / "b", kind="rgb", image=COLOR) / "0_color.jpg", COLOR)
    with pytest.raises(SourceError, match=r"got '0_color.jpg', '0_rgb.png': take one away"):
        shots_at(tmp_path / "b")
    put(recorded(tmp_path / "c") / "color" / "0.png", COLOR)
    with pytest.raises(SourceError, match=r"one file for frame '0', got '0.jpg' and '0.png'"):
        shots_at(tmp_path / "c")


# --- turned


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_frames_are_turned_clockwise(tmp_path: Path, turn: int) -> None:
    pair(tmp_path / "set" / "ada", image=COLOR, kind="color")
    folder = tmp_path / "set" / "ada"
    upright = rotated(read_frames(folder)[0], -turn // 90)
    for read in (
        lambda: read_frames(folder, turn_deg=turn)[0],
        shots_at(folder / "0_depth.png", turn_deg=turn)[0].read,
        datasets.captures(tmp_path / "set", turn_deg=turn)[0].read,
        presentations.by_species(tmp_path / "set", turn_deg=turn)[0].read,
        presentations.live_people(tmp_path / "set", turn_deg=turn)[0].read,
        lambda: next(playback(folder, turn_deg=turn)),
        lambda: next(open_source(folder, turn_deg=turn)),
    ):
        found = read()
        np.testing.assert_array_equal(found.color, np.rot90(COLOR, -turn // 90))
        np.testing.assert_array_equal(found.depth, np.rot90(DEPTH, -turn // 90))
        assert found.intrinsics == upright.intrinsics


@pytest.mark.parametrize("turn", [45, 360, -90, 90.0, True, "90", None])
def test_other_turns_are_refused(tmp_path: Path, turn: Any) -> None:
    pair(tmp_path / "ada")
    for reading in (
        lambda: read_frames(tmp_path / "ada", turn_deg=turn),
        lambda: datasets.captures(tmp_path, turn_deg=turn),
        lambda: presentations.by_species(tmp_path, turn_deg=turn),
    ):
        with pytest.raises(InvalidInputError, match="turn_deg: expected 0, 90, 180, 270, got"):
            reading()


@pytest.mark.parametrize("name", ["7_{}.png", "{}_7.png", "7_{}.PNG", "{}_7.PNG"])
def test_the_files_of_a_pair_are_found_by_its_label(tmp_path: Path, name: str) -> None:
    depth, image = (tmp_path / name.format(kind) for kind in ("depth", "color"))
    for file in (depth, image):
        file.write_bytes(b"")
    assert (pairs.depth_of(tmp_path, "7"), pairs.image_of(tmp_path, "7")) == (depth, image)
    assert (pairs.depth_of(tmp_path, "8"), pairs.image_of(tmp_path, "8")) == (None, None)
