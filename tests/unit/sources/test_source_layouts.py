"""Every layout on files that are written here: values, units, orientation, cameras, and what is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError, SourceError, SourceWarning
from faceid_fast.sources import datasets
from faceid_fast.sources.layouts import kinect_v2, npz, open3d, pairs, tum, vap
from faceid_fast.sources.layouts.shot import Frames, Shot
from faceid_fast.sources.recognized import LAYOUTS, shots_at

CAMERA = {"fx": 600.0, "fy": 601.0, "cx": 31.5, "cy": 29.5, "depth_unit_m": 0.001}
RNG = np.random.default_rng(7)
DEPTH = RNG.integers(500, 1100, (60, 64)).astype(np.uint16)
COLOR = RNG.integers(0, 256, (60, 64, 3)).astype(np.uint8)
GREY = COLOR[..., 0].copy()


def write(path: Path, image: NDArray[Any]) -> Path:
    """RGB or grey, by the ending of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, image)
    else:
        encoded, content = cv2.imencode(path.suffix, image if image.ndim == 2 else image[..., ::-1])
        assert encoded
        path.write_bytes(content.tobytes())
    return path


def write_camera(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps({**CAMERA, **changed}))


def write_pair(folder: Path, name: str = "0", *, image: str = "color.png", depth: str = "depth.png") -> None:
    write(folder / f"{name}_{image}", GREY if "_ir" in f"_{image}" else COLOR)
    write(folder / f"{name}_{depth}", DEPTH)


def write_kinect(folder: Path, number: int = 24) -> None:
    write_pair(folder, f"{number:02d}", image="ir.png")


def write_vap(folder: Path, stem: str = "003_2_", scale: int = 2) -> tuple[NDArray[Any], NDArray[Any]]:
    """Depth with missing and far numbers; colour in blocks of `scale`, whose mean is exact."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    depth = rng.integers(600, 1300, (480, 640))
    depth[0, :3] = -1, 1200, 1201
    color = rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)
    lines = ("\t".join(map(str, row)) + "\t\n" for row in depth.tolist())
    (folder / f"{stem}d.dat").write_text("".join(lines))
    write(folder / f"{stem}c.bmp", color.repeat(scale, axis=0).repeat(scale, axis=1))
    return depth, color


def write_tum(folder: Path, times: tuple[tuple[float, ...], tuple[float, ...]] = ((1.0,), (1.01,))) -> None:
    for stream, seconds, picture in zip(("rgb", "depth"), times, (COLOR, DEPTH), strict=True):
        lines = ["# color images", "# timestamp filename"]
        for second in seconds:
            write(folder / stream / f"{second:.6f}.png", picture)
            lines.append(f"{second:.6f} {stream}/{second:.6f}.png")
        (folder / f"{stream}.txt").write_text("\n".join(lines) + "\n")


def write_open3d(folder: Path, name: str = "00000", *, camera: str = "camera_intrinsic.json") -> None:
    write(folder / "color" / f"{name}.png", COLOR)
    write(folder / "depth" / f"{name}.png", DEPTH)
    matrix = [600.0, 0, 0, 0, 601.0, 0, 31.5, 29.5, 1]
    (folder / camera).write_text(json.dumps({"width": 64, "height": 60, "intrinsic_matrix": matrix}))


def write_npz(folder: Path, name: str = "0", **changed: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"depth": DEPTH, "color": COLOR, **CAMERA, **changed}
    np.savez(folder / f"{name}.npz", **{key: value for key, value in arrays.items() if value is not None})
    return folder / f"{name}.npz"


def write_camera_and_pair(folder: Path) -> None:
    write_pair(folder)
    write_camera(folder / "camera.json")


WRITERS: dict[str, Callable[[Path], object]] = {
    "pairs": write_camera_and_pair,
    "kinect_v2": write_kinect,
    "vap": write_vap,
    "tum": write_tum,
    "open3d": write_open3d,
    "npz": write_npz,
}


def only(path: Path) -> Shot:
    (shot,) = shots_at(path)
    return shot


# --- one layout after the other


@pytest.mark.parametrize("image", ["color.png", "rgb.png", "color.npy", "color.bmp"])
@pytest.mark.parametrize("depth", ["depth.png", "depth.npy"])
def test_pairs(tmp_path: Path, image: str, depth: str) -> None:
    write_pair(tmp_path / "ada", "smile", image=image, depth=depth)
    write_camera(tmp_path / "ada" / "camera.json")
    shot = only(tmp_path / "ada")
    assert (shot.person, shot.label, shot.layout) == ("ada", "smile", "pairs")
    assert (shot.pose, shot.expression) == (None, None)
    frame = shot.read()
    np.testing.assert_array_equal(frame.color, COLOR)
    np.testing.assert_array_equal(frame.depth, DEPTH)
    assert frame.depth_unit_m == 0.001
    assert (frame.intrinsics.fx, frame.intrinsics.cy) == (600.0, 29.5)


def test_pairs_of_infrared_and_jpeg(tmp_path: Path) -> None:
    write_camera(tmp_path / "camera.json")
    write_pair(tmp_path, "a", image="ir.png")
    write_pair(tmp_path, "b", image="color.jpg")
    write_pair(tmp_path, "c", image="color.png")
    write_pair(tmp_path, "c", image="ir.png")
    with pytest.warns(SourceWarning, match=r"1 of 3 frames have a colour and an infrared picture: colour"):
        shots = shots_at(tmp_path)
    infrared, jpeg, both = (shot.read() for shot in shots)
    np.testing.assert_array_equal(infrared.infrared, GREY)
    assert jpeg.color is not None
    assert both.color is not None  # colour goes before infrared
    smooth = np.full((60, 64, 3), (200, 100, 50), np.uint8)
    write(tmp_path / "b_color.jpg", smooth)
    read = shots_at(tmp_path / "b_color.jpg")[0].read().color
    assert read is not None
    np.testing.assert_allclose(read, smooth, atol=3)  # red is red


def test_kinect_v2(tmp_path: Path) -> None:
    write_kinect(tmp_path / "p01", 28)
    shot = only(tmp_path / "p01")
    assert (shot.label, shot.layout, shot.pose, shot.expression) == ("28", "kinect_v2", 4, 4)
    frame = shot.read()
    np.testing.assert_array_equal(frame.infrared, GREY)
    assert frame.intrinsics.fx == kinect_v2.FOCAL_PX
    write(tmp_path / "p01" / "28_ir.png", COLOR)
    with pytest.raises(SourceError, match=r"28_depth\.png: infrared: expected an array \(H, W\)"):
        shot.read()


@pytest.mark.parametrize("stem", ["003_2_", "0007", "x"])
@pytest.mark.parametrize("scale", [1, 2])
def test_vap(tmp_path: Path, stem: str, scale: int) -> None:
    depth, color = write_vap(tmp_path / "(2012-05-16)(151751)", stem, scale)
    shot = only(tmp_path / "(2012-05-16)(151751)")
    assert (shot.person, shot.label, shot.layout) == ("(2012-05-16)(151751)", stem.rstrip("_"), "vap")
    frame = shot.read()
    assert frame.depth.dtype == np.uint16
    assert frame.depth_unit_m == 0.001
    assert frame.depth[0, :3].tolist() == [0, 1200, 0]
    np.testing.assert_array_equal(frame.depth, np.where((depth < 0) | (depth > 1200), 0, depth))
    np.testing.assert_array_equal(frame.color, color)
    assert frame.intrinsics.fx == vap.VAP_FOCAL_PX
    assert (frame.intrinsics.cx, frame.intrinsics.cy) == (319.5, 239.5)


def test_vap_colour_is_reduced_by_area(tmp_path: Path) -> None:
    color = np.zeros((960, 1280, 3), np.uint8)
    color[::2, ::2] = 100, 40, 200  # a quarter of every block
    read = vap.read_color(write(tmp_path / "c.bmp", color))
    np.testing.assert_array_equal(read, np.broadcast_to(np.uint8([25, 10, 50]), (480, 640, 3)))
    with pytest.raises(SourceError, match="expected a multiple of 640 x 480 pixels, got 642 x 480"):
        vap.read_color(write(tmp_path / "c.bmp", np.zeros((480, 642, 3), np.uint8)))


def test_damaged_depth_texts_name_file_line_and_column(tmp_path: Path) -> None:
    write_vap(tmp_path, "")
    path = tmp_path / "d.dat"
    text = path.read_text()
    for damaged, part in (
        ("", "line 1, column 1: expected number 1 of 480 lines of 640 numbers"),
        (text[: text.rindex("\t", 0, -2)], "line 480, column"),
        (text.replace("\n", "", 1), "line 1, column"),
        (
            text.replace("\t", "\t1\t", 1),
            "expected the end of the line after 640 numbers, got another number",
        ),
        (text.replace("\t1201\t", "\tface\t", 1), "line 1, column 9: expected number 3 of 480"),
        (text.replace("\t1201\t", "\t12345678\t", 1), "line 1, column 16: expected number 3 of 480"),
        (text + "1\n", "line 481, column 1: expected the end of the text after 480 lines"),
        ("1\t" * (5 * 2**20), "expected at most"),
    ):
        path.write_text(damaged)
        with pytest.raises(SourceError) as caught:
            vap.read_dat(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert part in str(caught.value), caught.value


def test_tum(tmp_path: Path) -> None:
    folder = tmp_path / "rgbd_dataset_freiburg2_desk"
    write_tum(folder)
    shot = only(folder)
    assert (shot.label, shot.layout) == ("1.000000", "tum")
    frame = shot.read()
    np.testing.assert_array_equal(frame.color, COLOR)
    np.testing.assert_array_equal(frame.depth, DEPTH)
    assert frame.depth_unit_m == pytest.approx(1 / 5000)
    assert frame.intrinsics == tum.CAMERAS["freiburg2"]
    folder = folder.rename(tmp_path / "my own")
    assert only(folder).read().intrinsics == tum.DEFAULT_CAMERA
    assert only(folder / "depth" / "1.010000.png").label == "1.000000"


def test_tum_pairs_are_nearest_to_each_other_and_used_once(tmp_path: Path) -> None:
    colors = (1.0, 1.033, 1.066, 2.0, 3.0)
    depths = (0.95, 1.034, 1.052, 2.0199, 2.979)
    write_tum(tmp_path, (colors, depths))
    # 1.0: 1.034 is nearer to 1.033. 1.066: 1.052 is. 3.0: more than 0.02 s apart.
    with pytest.warns(SourceWarning, match=r"2 of 5 pictures have no depth of their own, within 0.02 s"):
        shots = shots_at(tmp_path)
    assert [shot.label for shot in shots] == ["1.033000", "1.066000", "2.000000"]
    found = tum.associated([(0.01, Path("a")), (0.0, Path("b"))][::-1], [(0.005, Path("d"))])
    assert found == [(Path("b"), Path("d"))]  # of two that are equally near, the earlier
    assert tum.associated([], [(0.0, Path("d"))]) == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("2.0", "line 4: expected a time and the name"),
        ("soon rgb/1.png", "line 4"),
        ("nan rgb/1.png", "line 4"),
        ("2.0 /etc/passwd", "line 4"),
        ("2.0 rgb/../../other.png", "line 4"),
        ("2.0 rgb/\udcff.png", "line 4"),
        ("1.000000 rgb/1.png", "expected every time once"),
    ],
)
def test_damaged_tum_lists(tmp_path: Path, line: str, part: str) -> None:
    write_tum(tmp_path)
    with (tmp_path / "rgb.txt").open("ab") as file:
        file.write(line.encode(errors="surrogateescape"))
    with pytest.raises(SourceError, match=r"rgb\.txt: ") as caught:
        shots_at(tmp_path)
    assert part in str(caught.value)


@pytest.mark.parametrize("camera", open3d.INTRINSICS_NAMES)
def test_open3d(tmp_path: Path, camera: str) -> None:
    write_open3d(tmp_path, camera=camera)
    write(tmp_path / "depth" / "00001.png", DEPTH)
    with pytest.warns(SourceWarning, match=r"00001\.png: no picture of that name"):
        only(tmp_path)
    (tmp_path / "depth" / "00001.png").unlink()
    shot = only(tmp_path)
    assert (shot.label, shot.layout, shot.person) == ("00000", "open3d", tmp_path.name)
    frame = shot.read()
    np.testing.assert_array_equal(frame.color, COLOR)
    np.testing.assert_array_equal(frame.depth, DEPTH)
    assert frame.depth_unit_m == 0.001
    k = frame.intrinsics
    assert (k.fx, k.fy, k.cx, k.cy) == (600.0, 601.0, 31.5, 29.5)
    for file in ("color/00000.png", "depth/00000.png"):
        assert only(tmp_path / file).label == "00000"
    write_camera(tmp_path / "camera.json", depth_unit_m=0.00025)
    assert only(tmp_path).read().depth_unit_m == 0.00025


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"width": 640}, "expected the camera of pictures of (height, width) = (60, 64), got (60, 640)"),
        ({"intrinsic_matrix": [1.0] * 8}, "nine numbers"),
        ({"intrinsic_matrix": [600, 0, 0, 2, 600, 0, 31, 29, 1]}, "without skew"),
        ({"intrinsic_matrix": ["600", 0, 0, 0, 600, 0, 31, 29, 1]}, "intrinsics.fx"),
        ({"intrinsic_matrix": [-600, 0, 0, 0, 600, 0, 31, 29, 1]}, "intrinsics.fx"),
    ],
)
def test_damaged_open3d_intrinsics(tmp_path: Path, changed: dict[str, Any], part: str) -> None:
    write_open3d(tmp_path)
    path = tmp_path / "camera_intrinsic.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(SourceError) as caught:
        only(tmp_path).read()
    assert str(caught.value).startswith(f"{path}: ")
    assert part in str(caught.value)


def test_npz(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "ada", "left")
    shot = only(path)
    assert (shot.person, shot.label, shot.layout) == ("ada", "left", "npz")
    frame = shot.read()
    np.testing.assert_array_equal(frame.color, COLOR)
    np.testing.assert_array_equal(frame.depth, DEPTH)
    assert (frame.intrinsics.fy, frame.depth_unit_m) == (601.0, 0.001)
    write_npz(tmp_path / "ada", "left", color=None, infrared=GREY, principal_deviation_px=20)
    frame = npz.read_npz(path)
    np.testing.assert_array_equal(frame.infrared, GREY)
    assert frame.intrinsics.principal_deviation_px == 20.0
    write_npz(tmp_path / "ada", "left", **dict.fromkeys(CAMERA))
    write_camera(tmp_path / "camera.json", fx=500.0)
    assert only(path).read().intrinsics.fx == 500.0


# --- cameras


def test_the_nearest_camera_file_counts(tmp_path: Path) -> None:
    write_pair(tmp_path / "set" / "ada" / "s1")
    write_camera(tmp_path / "camera.json", fx=100.0)
    with pytest.raises(SourceError):
        datasets.captures(tmp_path / "set")  # above the set, nothing counts
    for number, place in enumerate(
        ("camera.json", "ada/camera.json", "ada/s1/camera.json", "ada/s1/0_camera.json")
    ):
        write_camera(tmp_path / "set" / place, fx=200.0 + number)
        (shot,) = datasets.captures(tmp_path / "set")
        assert shot.read().intrinsics.fx == 200.0 + number
    assert only(tmp_path / "set" / "ada" / "s1").read().intrinsics.fx == 203.0


@pytest.mark.parametrize("layout", ["vap", "tum", "open3d", "npz"])
def test_a_camera_file_goes_before_the_layout_s_own(tmp_path: Path, layout: str) -> None:
    WRITERS[layout](tmp_path / "ada")
    write_camera(tmp_path / "camera.json", fx=444.0, depth_unit_m=0.002)
    frame = only(tmp_path / "ada").read()
    assert (frame.intrinsics.fx, frame.depth_unit_m) == (444.0, 0.002)


def test_a_kinect_with_a_camera_file_is_pairs(tmp_path: Path) -> None:
    write_kinect(tmp_path)
    assert only(tmp_path).layout == "kinect_v2"
    write_camera(tmp_path / "camera.json")
    assert only(tmp_path).layout == "pairs"
    assert only(tmp_path / "24_ir.png").layout == "pairs"


# --- recognised


@pytest.mark.parametrize("layout", list(WRITERS))
def test_every_layout_is_recognised_by_its_folder_and_its_files(tmp_path: Path, layout: str) -> None:
    assert list(WRITERS) == [known.name for known in LAYOUTS]
    WRITERS[layout](tmp_path / "ada")
    assert only(tmp_path / "ada").layout == layout
    files = [file for file in (tmp_path / "ada").rglob("*") if file.is_file()]
    named = [shot.layout for file in files if file.suffix not in {".json", ".txt"} for shot in shots_at(file)]
    assert named == [layout] * len(named)
    assert named


def test_what_is_not_recognised_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    (tmp_path / "other").mkdir()
    with pytest.raises(SourceError) as caught:
        shots_at(tmp_path)
    message = str(caught.value).removeprefix(str(tmp_path))
    assert all(layout.name in message for layout in LAYOUTS)
    assert "got .jpg: 1, folders: 1" in message
    assert len(message) < 600
    with pytest.raises(SourceError, match="got another file"):
        shots_at(tmp_path / "holiday.jpg")
    with pytest.raises(SourceError, match="expected a file or a folder, got none"):
        shots_at(tmp_path / "none")


def test_two_layouts_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_npz(tmp_path)
    write_camera_and_pair(tmp_path)
    with pytest.raises(SourceError, match=r"expected frames in one layout, got pairs \(1\), npz \(1\)"):
        shots_at(tmp_path)
    assert only(tmp_path / "0.npz").layout == "npz"


# --- data sets


@pytest.mark.parametrize("identities", ["", "identities"])
def test_every_folder_is_a_person_in_whatever_layout(tmp_path: Path, identities: str) -> None:
    for layout, write_layout in WRITERS.items():
        write_layout(tmp_path / identities / f"a {layout}")
    write_kinect(tmp_path / identities / "b" / "second" / "time", 2)
    (tmp_path / identities / ".cache").mkdir()
    write_kinect(tmp_path / identities / ".cache" / "x")
    (tmp_path / identities / "landmarks.csv").write_bytes(b"\xff not read")
    found = datasets.captures(tmp_path)
    assert {(shot.person, shot.layout) for shot in found} == {
        *((f"a {layout}", layout) for layout in WRITERS),
        ("b", "kinect_v2"),
    }
    (last,) = (shot for shot in found if shot.person == "b")
    assert (last.label, last.pose, last.expression) == ("second/time/02", 0, 2)
    assert all(frame.shape == shot.read().shape for shot, frame in Frames(found))
    assert [shot.person for shot in datasets.captures(tmp_path, "vap")] == ["a vap"]


def test_data_sets_without_frames(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="got an empty folder"):
        datasets.captures(tmp_path)
    write_camera_and_pair(tmp_path)  # of nobody: no folder
    with pytest.raises(SourceError, match=r"expected a folder for each person.*\.png: 2"):
        datasets.captures(tmp_path)
    write_kinect(tmp_path / "ada")
    with pytest.raises(SourceError, match=r"frames as vap \(X_d.dat, X_c.bmp\)"):
        datasets.captures(tmp_path, "vap")
    with pytest.raises(InvalidInputError, match=r"layout: expected one of pairs, kinect_v2, .*got 'lfw'"):
        datasets.captures(tmp_path, "lfw")
    with pytest.raises(SourceError, match="not readable"):
        datasets.captures(tmp_path / "none")


def test_links_that_lead_back_have_an_end(tmp_path: Path) -> None:
    write_kinect(tmp_path / "ada")
    (tmp_path / "ada" / "again").symlink_to(tmp_path / "ada", target_is_directory=True)
    with pytest.warns(SourceWarning, match="again: a link to a folder, which is not followed"):
        assert len(datasets.captures(tmp_path)) == 1


def test_damage_is_raised_or_skipped_and_counted(tmp_path: Path) -> None:
    for number in range(3):
        write_npz(tmp_path / "ada", f"{number}")
    (tmp_path / "ada" / "1.npz").write_bytes(b"PK")
    shots = datasets.captures(tmp_path)
    with pytest.raises(SourceError, match=r"1\.npz"):
        list(Frames(shots))
    frames = Frames(shots, on_damage="skip")
    for _ in range(2):  # counted anew each time
        assert [shot.label for shot, _ in frames] == ["0", "2"]
        assert len(frames.skipped) == 1
        assert "1.npz" in str(frames.skipped[0])
    with pytest.raises(InvalidInputError, match="on_damage: expected raise or skip, got 'ignore'"):
        Frames(shots, on_damage="ignore")  # type: ignore[arg-type]


def test_names_of_halves() -> None:
    assert pairs.label_of(Path("a/b_c_color.png")) == "b_c"
    assert pairs.label_of(Path("a/b_depth.npy")) == "b"
    assert pairs.label_of(Path("a/depth.png")) is None
