"""Real captures: every layout on files written here, damage, and the crop that colour and depth share."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceid_fast.errors import SourceError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import CHIP_SHAPE, FaceCrop
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts.vap import VAP_FOCAL_PX
from faceid_fast.sources.renders import bundled_renders
from training.data.batches import load_held
from training.data.layouts.reading import Captures, note_on_figures
from training.data.layouts.tensors import align_captures, held_out, load_captures

CAMERA = {"fx": 600.0, "fy": 601.0, "cx": 79.5, "cy": 59.5, "depth_unit_m": 0.001}
RNG = np.random.default_rng(5)
DEPTH = RNG.integers(500, 1100, (120, 160)).astype(np.uint16)
COLOR = RNG.integers(0, 256, (120, 160, 3)).astype(np.uint8)


def _write_pair(folder: Path, stem: str, *, ending: str = "rgb", camera: Path | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    picture = COLOR[..., ::-1] if ending != "ir" else COLOR[..., 0]
    assert cv2.imwrite(str(folder / f"{stem}_{ending}.png"), picture)
    assert cv2.imwrite(str(folder / f"{stem}_depth.png"), DEPTH)
    if camera:
        camera.write_text(json.dumps(CAMERA))


def _write_vap(folder: Path, stem: str, depth: np.ndarray, color: np.ndarray) -> None:
    """Depth as text with a tab after every number, colour at twice the size, as in the set."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ("\t".join(map(str, row)) + "\t\n" for row in depth.tolist())
    (folder / f"{stem}_d.dat").write_text("".join(lines))
    assert cv2.imwrite(str(folder / f"{stem}_c.bmp"), color.repeat(2, axis=0).repeat(2, axis=1)[..., ::-1])


def _vap_scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(600, 1100, (480, 640)), rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)


def _only(root: Path, layout: str) -> tuple[str, str, Frame]:
    (found,) = Captures(root, layout)
    return found


# --- pairs


def test_pairs(tmp_path: Path) -> None:
    _write_pair(tmp_path / "ada" / "s1", "smile", camera=tmp_path / "camera.json")
    _write_pair(tmp_path / "ben", "0", ending="ir")
    captures = Captures(tmp_path, "pairs")
    (ada, name, frame), (ben, other, dark) = list(captures)
    assert (ada, name, ben, other) == ("ada", "s1/smile", "ben", "0")
    np.testing.assert_array_equal(frame.color, COLOR)
    np.testing.assert_array_equal(frame.depth, DEPTH)
    assert frame.depth_unit_m == 0.001
    assert (frame.intrinsics.fx, frame.intrinsics.cy) == (600.0, 59.5)
    np.testing.assert_array_equal(dark.infrared, COLOR[..., 0])
    assert captures.damaged == []
    assert "2 captures read, 0 files skipped" in captures.summary()


def test_the_nearest_camera_file_counts(tmp_path: Path) -> None:
    _write_pair(tmp_path / "ada", "0", camera=tmp_path / "camera.json")
    (tmp_path / "ada" / "camera.json").write_text(json.dumps(CAMERA | {"fx": 500.0}))
    assert _only(tmp_path, "pairs")[2].intrinsics.fx == 500.0
    (tmp_path / "ada" / "0_camera.json").write_text(json.dumps(CAMERA | {"fx": 400.0}))
    assert _only(tmp_path, "pairs")[2].intrinsics.fx == 400.0


def test_damaged_files_are_named_skipped_and_counted(tmp_path: Path) -> None:
    for person in ("ada", "ben", "cleo", "dan"):
        _write_pair(tmp_path / person, "0", camera=tmp_path / "camera.json")
    truncated = tmp_path / "ben" / "0_depth.png"
    truncated.write_bytes(truncated.read_bytes()[:-500])
    (tmp_path / "cleo" / "0_rgb.png").unlink()
    captures = Captures(tmp_path, "pairs")
    assert [identity for identity, _, _ in captures] == ["ada", "dan"]
    assert [type(error) for error in captures.damaged] == [SourceError, SourceError]
    assert str(truncated) in str(captures.damaged[0])
    assert "cleo" in str(captures.damaged[1])
    assert "2 captures read, 2 files skipped" in captures.summary()


def test_pairs_without_a_camera_say_so(tmp_path: Path) -> None:
    _write_pair(tmp_path / "ada", "0")
    with pytest.raises(SourceError, match=r"got none; 1 damaged, first .*0_depth.png.*camera.json"):
        list(Captures(tmp_path, "pairs"))


# --- vap


def test_vap(tmp_path: Path) -> None:
    depth, color = _vap_scene(1)
    depth[0, :3] = -1, 1200, 1201
    _write_vap(tmp_path / "(2012-05-16)(151751)", "003_2", depth, color)
    identity, name, frame = _only(tmp_path, "vap")
    assert (identity, name) == ("(2012-05-16)(151751)", "003_2")
    assert frame.depth[0, :3].tolist() == [0, 1200, 0]
    np.testing.assert_array_equal(frame.depth[1:], depth[1:])
    np.testing.assert_array_equal(frame.color, color)
    assert frame.intrinsics.fx == VAP_FOCAL_PX
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA))
    assert _only(tmp_path, "vap")[2].intrinsics.fx == 600.0


def test_damaged_vap_captures_are_named_and_counted(tmp_path: Path) -> None:
    for number in range(3):
        _write_vap(tmp_path / "ada", f"{number}", *_vap_scene(number))
    text = tmp_path / "ada" / "0_d.dat"
    text.write_text(text.read_text()[:-20])
    (tmp_path / "ada" / "1_c.bmp").unlink()
    captures = Captures(tmp_path, "vap")
    assert [name for _, name, _ in captures] == ["2"]
    assert "0_d.dat: line 480" in str(captures.damaged[0])
    assert "1_c.bmp" in str(captures.damaged[1])


def _marked(tmp_path: Path, *, bump: bool, spot_shift_px: int | None) -> FaceCrop:
    """A rendered face in a VAP capture, with a bump on a cheek and a bright spot there, or shifted."""
    render = next(r for r in bundled_renders() if (r.kind, r.number) == ("enroll", 0)).read()
    assert render.infrared is not None
    height, width = render.depth.shape
    top, left = (480 - height) // 2, (640 - width) // 2
    place = slice(top, top + height), slice(left, left + width)
    depth, color = np.full((480, 640), -1), np.zeros((480, 640, 3), np.uint8)
    depth[place] = np.rint(render.depth * (render.depth_unit_m * 1e3)).astype(int)
    depth[depth == 0] = -1
    gray = np.log1p(render.infrared.astype(float))
    color[place] = (40 + 180 * gray / gray.max()).astype(np.uint8)[..., None]
    k = render.intrinsics
    camera = {"fx": k.fx, "fy": k.fy, "cx": k.cx + left, "cy": k.cy + top, "depth_unit_m": 0.001}
    plain = FaceAligner.bundled().align(render)
    assert isinstance(plain, FaceCrop)
    # 30 mm beside the nose and 40 mm below the eyes.
    x, y, z = plain.pose.rotation @ np.float32([30, 40, 0]) + plain.pose.translation_mm
    at = np.array([camera["fx"] * x / z + camera["cx"], camera["fy"] * y / z + camera["cy"]])
    rows, columns = np.mgrid[:480, :640]
    radius = 7.0 * k.fx / z
    distance = np.hypot(columns - at[0], rows - at[1])
    if bump:
        depth[(distance < radius) & (depth > 0)] -= 8
    if spot_shift_px is not None:
        color[np.hypot(columns - at[0] - spot_shift_px, rows - at[1] - spot_shift_px) < radius] = 255
    _write_vap(tmp_path / "ada", "0", depth, color)
    (tmp_path / "camera.json").write_text(json.dumps(camera))
    face = FaceAligner.bundled().align(_only(tmp_path, "vap")[2])
    assert isinstance(face, FaceCrop)
    return face


def _center(change: np.ndarray) -> np.ndarray:
    """Where on the face something has changed most, (row, column) of the grid without its border."""
    change = change[10:-10, 12:-12]
    strong = np.abs(change) > 0.5 * np.abs(change).max()
    return np.argwhere(strong).mean(axis=0)


def test_vap_colour_and_depth_are_cut_at_one_place(tmp_path: Path) -> None:
    """The 2018 notebook cut the second colour image of a pair 20 pixels off its depth, which leaks the label.

    Here a frame is aligned as a whole: what coincides in the capture coincides in the tensor.
    """
    bare = _marked(tmp_path, bump=False, spot_shift_px=None).tensor
    marked = _marked(tmp_path, bump=True, spot_shift_px=0).tensor
    depth, light = _center(marked[0] - bare[0]), _center((marked - bare)[1:].mean(axis=0))
    np.testing.assert_allclose(light, depth, atol=1.5)
    # The measure would see it if they were apart: the spot lies towards the nose, still on the face.
    torn = _marked(tmp_path, bump=True, spot_shift_px=-8).tensor
    apart = _center((torn - bare)[1:].mean(axis=0)) - _center(torn[0] - bare[0])
    assert np.hypot(*apart) > 4.0


# --- npz


def _arrays(**changed: object) -> dict[str, object]:
    arrays = {"depth": DEPTH, "color": COLOR, "intrinsics": [600.0, 601.0, 79.5, 59.5], "depth_unit_m": 0.001}
    return {name: value for name, value in {**arrays, **changed}.items() if value is not None}


def test_npz_of_one_and_of_many(tmp_path: Path) -> None:
    (tmp_path / "ben").mkdir()
    np.savez(tmp_path / "ada.npz", **_arrays())
    np.savez(
        tmp_path / "ben" / "x.npz",
        **_arrays(depth=np.stack([DEPTH, DEPTH + 1]), color=None, infrared=np.stack([COLOR[..., 0]] * 2)),
    )
    np.savez(tmp_path / "z.npz", **_arrays(identity="cleo"))
    found = list(Captures(tmp_path, "npz"))
    assert [(identity, name) for identity, name, _ in found] == [
        ("ada", "ada"), ("ben", "ben/x"), ("ben", "ben/x[1]"), ("cleo", "z"),
    ]  # fmt: skip
    np.testing.assert_array_equal(found[2][2].depth, DEPTH + 1)
    np.testing.assert_array_equal(found[0][2].color, COLOR)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"color": None}, "one of infrared and color"),
        ({"infrared": DEPTH}, "one of infrared and color"),
        ({"intrinsics": [1.0, 2.0]}, "not enough values"),
        ({"intrinsics": [0.0, 1.0, 2.0, 3.0]}, "intrinsics.fx"),
        ({"depth_unit_m": "metres"}, "could not convert"),
        ({"depth_unit_m": np.nan}, "depth_unit_m"),
        ({"depth": DEPTH[:50]}, "registered"),
        ({"depth": DEPTH[0]}, "got (160,) and (120, 160, 3)"),
        ({"depth": DEPTH[None], "color": np.uint8(3)}, "got (1, 120, 160) and ()"),
        ({"identity": ["ada", "ben"]}, "identity: expected one string, got (2,)"),
        ({"identity": b"ada"}, "identity: expected one string, got () of |S3"),
        ({"depth": np.array([object()], dtype=object)}, "allow_pickle"),
    ],
)
def test_unusable_npz_is_named(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **_arrays(**changed))
    np.savez(tmp_path / "good.npz", **_arrays())
    captures = Captures(tmp_path, "npz")
    assert [identity for identity, _, _ in captures] == ["good"]
    (error,) = captures.damaged
    assert isinstance(error, SourceError)
    assert str(tmp_path / "bad.npz") in str(error)
    assert words in str(error)


def test_truncated_npz_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **_arrays())
    (tmp_path / "bad.npz").write_bytes((tmp_path / "bad.npz").read_bytes()[:1000])
    with pytest.raises(SourceError, match=r"first .*bad.npz: not a readable"):
        list(Captures(tmp_path, "npz"))


# --- all of them


@pytest.mark.parametrize("layout", ["vap", "pairs", "npz", "kinect_v2"])
def test_an_empty_or_missing_folder_is_named(tmp_path: Path, layout: str) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SourceError, match=str(folder)):
            list(Captures(folder, layout))


def test_unknown_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of vap, pairs, npz, kinect_v2, got 'lfw'"):
        Captures(tmp_path, "lfw")


def test_kinect_v2_is_read_and_figures_on_it_come_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    assert cv2.imwrite(str(tmp_path / "ada" / "24_depth.png"), DEPTH)
    assert cv2.imwrite(str(tmp_path / "ada" / "24_ir.png"), COLOR[..., 0])
    assert _only(tmp_path, "kinect_v2")[:2] == ("ada", "24")
    assert "never saw that person" in (note_on_figures(tmp_path, "kinect_v2") or "")
    assert note_on_figures(tmp_path, "pairs") is None


def test_the_six_people_may_train_and_their_figures_come_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = tuple(f"p{number:02}" for number in range(1, 7))
    _write_people(tmp_path / "set", people)
    assert len(load_captures(tmp_path / "set", "pairs", tmp_path / "others")[0])
    assert "figures:" not in capsys.readouterr().err
    (tmp_path / "set" / "landmarks.csv").write_text("")  # now it is that set, under another layout
    assert len(load_captures(tmp_path / "set", "pairs", tmp_path / "run")[0])
    assert "learned from these six people" in capsys.readouterr().err


def _write_people(root: Path, names: tuple[str, ...]) -> None:
    """Copies of the bundled renders under several names: for the way through, not for figures."""
    sources = sorted({render.infrared.parent for render in bundled_renders()})
    for index, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for path in sources[index % len(sources)].glob("enroll_[012]_*"):
            shutil.copy(path, root / name)


def test_captures_become_shards_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_people(tmp_path / "set", ("a", "b", "c", "d", "e", "f"))
    (tmp_path / "set" / "a" / "enroll_2_ir.png").write_bytes(b"")
    train, held = load_captures(tmp_path / "set", "pairs", tmp_path / "run")
    assert len(train) + len(held) == 17
    assert len(np.unique(held.identities)) == 2
    assert not np.intersect1d(train.identities, held.identities).size
    note = json.loads((tmp_path / "run" / "captures.json").read_text())
    assert note["outcomes"] == {"aligned": 17}
    assert len(note["damaged"]) == 1
    assert "enroll_2_ir.png" in note["damaged"][0]
    with_chips = load_held(tmp_path / "run", with_chips=True)
    assert with_chips.chips is not None
    assert with_chips.chips.shape == (len(held), *CHIP_SHAPE)
    assert with_chips.chips.any(axis=(1, 2, 3)).all()
    monkeypatch.setattr("training.data.layouts.tensors.align_captures", None)  # not called again
    again, _ = load_captures(tmp_path / "set", "pairs", tmp_path / "run")
    np.testing.assert_array_equal(again.tensors, train.tensors)


def test_too_few_people_are_counted(tmp_path: Path) -> None:
    _write_people(tmp_path / "set", ("a", "b", "c"))
    with pytest.raises(ValueError, match="expected 4 or more people with 2 or more aligned captures, got 3"):
        load_captures(tmp_path / "set", "pairs", tmp_path / "run")


def test_what_shows_no_face_is_counted_by_outcome(tmp_path: Path) -> None:
    _write_people(tmp_path, ("a",))
    assert cv2.imwrite(str(tmp_path / "a" / "enroll_0_depth.png"), np.zeros_like(
        cv2.imread(str(tmp_path / "a" / "enroll_0_depth.png"), cv2.IMREAD_UNCHANGED)))  # fmt: skip
    found = align_captures(Captures(tmp_path, "pairs"))
    assert (len(found.tensors), len(found.chips)) == (2, 2)
    assert (found.people, found.names) == (["a", "a"], ["a/enroll_1", "a/enroll_2"])
    assert found.outcomes["aligned"] == 2
    assert sum(found.outcomes.values()) == 3


def test_who_is_held_out_is_fixed() -> None:
    people = [f"p{number}" for number in range(31)]
    assert held_out(people) == held_out(people)
    assert len(held_out(people)) == 8
    assert len(held_out(people[:4])) == 2
