from __future__ import annotations

import itertools
import json
import os
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faceid_fast.errors import InvalidInputError, SourceError, SourceWarning
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources import recording
from faceid_fast.sources.layouts.shot import Shot
from faceid_fast.sources.recognized import shots_at
from faceid_fast.sources.recording import Playback, playback, record
from faceid_fast.sources.source import open_source
from stand_ins import frame_of

SAMPLES = {"uint16": np.uint16, "float32": np.float32}


def source_of(frames: Iterable[Frame | BaseException]) -> Playback:
    def read(frame: Frame | BaseException) -> Frame:
        if isinstance(frame, BaseException):
            raise frame
        return frame

    shots = (
        Shot("somebody", str(n), "list", lambda frame=frame: read(frame)) for n, frame in enumerate(frames)
    )
    return Playback("a list", shots)


def same(a: Frame, b: Frame) -> bool:
    """Bit for bit, whatever is NaN."""
    planes = ((a.depth, b.depth), (a.picture, b.picture))
    equal = all(x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in planes)
    return equal and (a.modality, a.depth_unit_m, a.intrinsics) == (b.modality, b.depth_unit_m, b.intrinsics)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(48, 60)), draw(st.integers(48, 60))
    depth = rng.integers(0, 2**32, shape, np.uint32).astype(np.uint16)
    if draw(st.booleans()):
        depth = rng.integers(0, 2**32, shape, np.uint32).view(np.float32)  # every NaN among them
    pictures = {
        "color": rng.integers(0, 256, (*shape, 3), np.uint8),
        "infrared": rng.integers(0, 2**16, shape).astype(draw(st.sampled_from([np.uint8, np.uint16]))),
    }
    kind = draw(st.sampled_from(sorted(pictures)))
    number = st.floats(1.0, 1e5, allow_subnormal=False)
    return Frame(
        depth=depth,
        depth_unit_m=draw(st.floats(1e-7, 10.0)),
        intrinsics=Intrinsics(
            draw(number), draw(number), draw(number), -draw(number), draw(st.floats(0, 1e4))
        ),
        **{kind: pictures[kind]},
    )


_folders = itertools.count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(frames(), min_size=1, max_size=3))
def test_what_is_played_is_what_was_recorded(tmp_path: Path, given_frames: list[Frame]) -> None:
    folder = tmp_path / str(next(_folders))
    recorded = record(source_of(given_frames), folder)
    played = list(playback(folder))
    assert recorded.frames == len(played) == len(given_frames)
    assert all(map(same, played, given_frames))


def test_a_recording_is_read_by_what_reads_pairs(tmp_path: Path) -> None:
    given_frames = [frame_of(1), frame_of(2, "color")]
    record(source_of(given_frames), tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "000000_depth.png",
        "000000_ir.png",
        "000001_color.png",
        "000001_depth.png",
        "camera.json",
        "recording.json",
    ]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    shots = shots_at(tmp_path / "a")
    assert [(shot.label, shot.layout) for shot in shots] == [("000000", "pairs"), ("000001", "pairs")]
    assert all(same(shot.read(), frame) for shot, frame in zip(shots, given_frames, strict=True))


def test_times_are_kept_for_each_frame(tmp_path: Path) -> None:
    ticks = iter([100.0, 100.03, 100.07])
    record(source_of(map(frame_of, range(3))), tmp_path / "a", clock=lambda: next(ticks))
    index = json.loads((tmp_path / "a" / "recording.json").read_text("utf-8"))
    assert (index["format"], index["source"], index["seconds"]) == (1, "a list", [0.0, 0.03, 0.07])
    (tmp_path / "a" / "000001_depth.png").unlink()  # somebody was in it who did not agree
    with pytest.warns(SourceWarning, match=r"000001_ir\.png: no depth beside it"):
        source = playback(tmp_path / "a")
    assert dict(source.seconds) == {"000000": 0.0, "000001": 0.03, "000002": 0.07}
    assert len(list(source)) == 2


def test_recording_ends_when_it_is_told_to(tmp_path: Path) -> None:
    told: list[int] = []
    source = source_of(map(frame_of, range(50)))
    assert record(source, tmp_path / "a", frames=2, told=told.append).frames == 2
    assert told == [1, 2]
    ticks = map(float, range(100))
    done = record(source, tmp_path / "b", seconds=3, clock=lambda: next(ticks))
    assert (done.frames, done.seconds) == (4, 3.0)
    assert record(source_of([]), tmp_path / "c").frames == 0


def test_what_was_recorded_outlives_the_camera_and_the_program(tmp_path: Path) -> None:
    unplugged = [frame_of(1), frame_of(2), SourceError("gone: plug it in")]
    with pytest.raises(SourceError, match="gone"):
        record(source_of(unplugged), tmp_path / "a")
    assert len(playback(tmp_path / "a").seconds) == len(list(playback(tmp_path / "a"))) == 2
    with pytest.raises(KeyboardInterrupt):
        record(source_of([frame_of(1), KeyboardInterrupt()]), tmp_path / "b")
    assert len(list(playback(tmp_path / "b"))) == 1


@pytest.mark.parametrize("depth", [np.uint16, np.float32])
def test_whatever_write_is_the_last_the_folder_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: Any
) -> None:
    """Every file appears whole or not at all, in an order in which no frame lacks a part."""
    other = Intrinsics(50.0, 50.0, 30.0, 30.0)
    given_frames = [
        Frame(
            depth=np.full((64, 64), 500 + n, depth),
            depth_unit_m=0.001,
            infrared=np.full((64, 64), n, np.uint8),
            intrinsics=other if n == 1 else Intrinsics(60.0, 60.0, 30.0, 30.0),
        )
        for n in range(3)
    ]
    replace = os.replace
    whole = 3 * 2 + 3
    for last in range(whole):
        left = last

        def failing(*given: Any, **directories: Any) -> None:
            nonlocal left
            if left == 0:
                raise OSError(28, "No space left on device")
            left -= 1
            replace(*given, **directories)

        folder = tmp_path / str(last)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", failing)
            with pytest.raises(SourceError, match="not writable"):
                record(source_of(given_frames), folder)
        complete = len(list(folder.glob("??????_depth.*")))
        assert len(list(folder.iterdir())) == last  # and no draft of another
        if complete:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SourceWarning)  # of a picture whose depth was the last
                assert all(map(same, playback(folder), given_frames[:complete]))
                assert len(list(playback(folder))) == complete
    assert complete == 3  # the index alone was missing


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SourceError, match=r"expected an empty folder, got one with 'notes\.txt'"):
        record(source_of([frame_of(1)]), tmp_path)
    with pytest.raises(SourceError, match="expected a folder that can be made"):
        record(source_of([frame_of(1)]), tmp_path / "notes.txt")


@pytest.mark.parametrize("limits", [{"frames": 0}, {"frames": True}, {"frames": 10**9}, {"seconds": 0}])
def test_limits_that_are_none(tmp_path: Path, limits: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        record(source_of([frame_of(1)]), tmp_path / "a", **limits)
    assert not (tmp_path / "a").exists()


def test_float_depth_is_read_by_what_reads_pairs(tmp_path: Path) -> None:
    depth = np.linspace(0.3, 1.5, 64 * 64, dtype=np.float32).reshape(64, 64)
    depth[0, 0] = np.nan
    frame = Frame(
        depth=depth,
        depth_unit_m=1.0,
        color=np.zeros((64, 64, 3), np.uint8),
        intrinsics=Intrinsics(60.0, 60.0, 30.0, 30.0),
    )
    record(source_of([frame]), tmp_path / "a")
    (shot,) = shots_at(tmp_path / "a")
    assert shot.layout == "pairs"
    assert same(shot.read(), frame)
    path = tmp_path / "a" / "000000_depth.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match=r"000000_depth\.npy: damaged"):
        list(playback(tmp_path / "a"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"format": 2, "seconds": []}', '{"format": 1, "seconds": [1, 0]}', "[" * 10**5),
        *(
            '{"format": 1, "seconds": [NaN]}',
            '{"format": 1, "seconds": ["a"]}',
            '{"format": 1, "seconds": 7}',
        ),
    ],
)
def test_bad_indexes(tmp_path: Path, text: str) -> None:
    record(source_of([frame_of(1)]), tmp_path / "a")
    (tmp_path / "a" / recording.INDEX).write_text(text)
    with pytest.raises(SourceError, match=r"recording\.json: expected"):
        playback(tmp_path / "a")


def test_no_frames_to_play(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected frames as pairs"):
        playback(tmp_path)
    with pytest.raises(SourceError, match="expected a file or a folder"):
        playback(tmp_path / "none")


def test_a_folder_is_a_source_by_its_path(tmp_path: Path) -> None:
    record(source_of([frame_of(1)]), tmp_path / "a")
    with open_source(tmp_path / "a") as source:
        assert (source.name, source.live, len(list(source))) == ("a", False, 1)
    with pytest.raises(InvalidInputError, match=r"options of .*: expected picture, turn_deg, got 'infrared'"):
        open_source(tmp_path / "a", infrared=True)
