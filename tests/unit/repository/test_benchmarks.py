"""What is timed beside the package does the same work, and the figures come out as they should."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.aligning import alignment, enrolled, parts, same_cells, same_tensors, shown, verification
from benchmarks.core import KEPT_MM
from benchmarks.frames import CONTESTS
from benchmarks.opencv.align import Aligner
from benchmarks.opencv.patch import cut, surface
from benchmarks.rooms import HEIGHT, WIDTH, heads, room
from benchmarks.turns import Asked, Contest, Elsewhere, Result, keep, measure, table
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.frame import Frame
from tests.contract.align_oracle import cut_patch, solid_cells

pytestmark = pytest.mark.slow


class Told(Elsewhere):
    """A way that says that it took a second."""

    def __call__(self) -> np.ndarray:
        return np.zeros(1)

    def seconds(self, calls: int) -> float:
        return 1.0 / calls


@pytest.mark.parametrize("infrared", [False, True])
def test_opencv_gives_the_packages_tensors(infrared: bool) -> None:
    ours, peer = FaceAligner.bundled(), Aligner()
    for render in heads("probe")[::3]:
        frame = room(render, infrared=infrared)
        assert frame.depth.shape == (HEIGHT, WIDTH)
        crop, tensor = ours.align(frame), peer.align(frame)
        assert isinstance(crop, FaceCrop)
        assert tensor is not None
        assert same_tensors(crop.tensor[None], tensor[None])
        assert not same_tensors(crop.tensor[None], np.roll(tensor, 1, axis=2)[None])


def test_opencv_finds_nobody_before_a_wall() -> None:
    frame = shown()[0]
    wall = np.full_like(frame.depth, 1500)
    empty = Frame(color=frame.picture, depth=wall, depth_unit_m=0.001, intrinsics=frame.intrinsics)
    assert Aligner().align(empty) is None


def test_opencv_cleans_depth_up_as_the_oracle_does() -> None:
    frame = room(heads("probe")[0], infrared=True)
    region, k = (0, 0, HEIGHT, WIDTH), frame.intrinsics
    depth, light = surface(cut(frame, region, KEPT_MM))
    oracle = cut_patch(frame.depth.astype(float), frame.picture, (k.fx, k.fy, k.cx, k.cy), region, KEPT_MM)
    solid = np.where(solid_cells(oracle.depth), oracle.depth, np.nan)
    wanted = np.stack([solid, np.log(np.maximum(oracle.colors[..., 0], 1e-3))])
    assert np.isfinite(solid).mean() > 0.5
    assert same_cells(wanted, np.stack([depth, light]))
    assert not same_cells(wanted, np.stack([depth + 1.0, light]))


def test_contests_are_held() -> None:
    results = measure(alignment(shown()), 2) + measure(CONTESTS[0](), 2)
    auth = enrolled()
    results += measure(verification(auth, auth, None), 2) + parts(auth, "", 2)
    lines = table(results).splitlines()
    assert len(lines) == 2 + len(results)
    assert len({line.count("|") for line in lines}) == 1
    assert "MB/s" in lines[0]
    assert "OpenCV + numpy, the same work" in lines[3]
    assert {"align", "liveness", "embed", "match"} <= {each.way for each in results}


def test_another_answer_is_an_error_unless_the_work_is_another() -> None:
    ways = {"ours": lambda: np.zeros(1), "wrong": lambda: np.ones(1)}
    with pytest.raises(ValueError, match="wrong gives another answer"):
        measure(Contest("nothing", ways), 2)
    results = measure(Contest("nothing", ways, other_work=frozenset({"wrong"})), 2)
    assert [each.way for each in results] == ["ours", "wrong"]


def test_who_works_elsewhere_tells_the_time() -> None:
    ours, other = measure(Contest("waiting", {"ours": Told(), "other": Told()}, things=4), 3)
    assert ours == Result("waiting", "ours", 250.0, (250.0, 250.0), 1.0)
    assert other.median_ms == 250.0


def test_a_program_is_asked_line_by_line(tmp_path: Path) -> None:
    echo = "import sys\nfor line in sys.stdin: print(len(line.split()[0]) / int(line.split()[1]), flush=True)"
    with Asked([sys.executable, "-c", echo], tmp_path) as program:
        assert program.seconds("four", 2) == 2.0
        assert program.seconds("six", 3) == 1.0
    gone = pytest.raises(RuntimeError, match="ended with 3")
    with Asked([sys.executable, "-c", "raise SystemExit(3)"], tmp_path) as program, gone:
        program.seconds("four", 2)


def test_figures_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "deep/figures.json"
    keep([Result("what", "how", 1.5, (1.0, 2.0), 3.0)], file)
    (kept,) = json.loads(file.read_text())
    assert kept["quartiles_ms"] == [1.0, 2.0]
    keep([], None)
