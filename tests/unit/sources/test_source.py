from __future__ import annotations

import sys
from typing import Any

import pytest

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.cameras.base import Source, checked_timeout
from faceid_fast.sources.source import CAMERAS, open_source
from stand_ins import frame_of


class Counted(Source):
    name = "counted"

    def __init__(self, count: int) -> None:
        self._left = count
        self.released = 0

    def _read(self) -> Frame | None:
        self._left -= 1
        return frame_of(self._left) if self._left >= 0 else None

    def _release(self) -> None:
        self.released += 1


def test_a_source_is_an_iterator_that_is_closed_once() -> None:
    with Counted(3) as source:
        assert iter(source) is source
        assert len(list(source)) == 3
        assert next(source, None) is None
    source.close()
    assert source.released == 1
    with pytest.raises(SourceError, match="counted: closed; open it again"):
        next(source)


EXTRAS = {"realsense": "realsense", "oak": "oak", "record3d": "record3d"}
MODULES = {"realsense": "pyrealsense2", "oak": "depthai", "record3d": "record3d"}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_library_names_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(
        SourceError, match=rf"{MODULES[name]}: not usable .*pip install 'faceid-fast\[{name}\]'"
    ):
        open_source(name)


def test_a_name_that_is_none(tmp_path: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"source: expected realsense, oak, .*got 'webcam'"):
        open_source("webcam")
    with pytest.raises(InvalidInputError, match="existing path"):
        open_source(tmp_path / "none")


@pytest.mark.parametrize("name", CAMERAS)
def test_an_option_that_is_none(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"options of {name}: expected .*timeout_s.*, got 'colour'"):
        open_source(name, colour=True)
    with pytest.raises(InvalidInputError, match=r"timeout_s: expected 0\.001"):
        open_source(name, timeout_s=-1)


@pytest.mark.parametrize("value", [0, -1, True, "5", None, float("nan"), float("inf"), 1e9])
def test_times_that_are_none(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"timeout_s: expected 0\.001 to 3600 seconds"):
        checked_timeout(value)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("realsense", "infrared", "False"),  # what a command line may say
        ("realsense", "width", 640.0),
        ("realsense", "fps", -1),
        ("oak", "height", 0),
        ("oak", "fps", "fast"),
        ("openni2", "index", True),
        ("openni2", "infrared", 1),
        ("openni2", "focal_px", 0),
        ("obsensor", "index", -1),
        ("record3d", "index", 1.0),
    ],
)
def test_options_that_are_not_usable(name: str, option: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"{option}: expected .*, got "):
        open_source(name, **{option: value})


class Stuck(Counted):
    def _release(self) -> None:
        message = "stuck: cannot be let go of"
        raise SourceError(message)


def test_what_goes_wrong_last_does_not_hide_what_went_wrong_first() -> None:
    with pytest.raises(KeyError), Stuck(1):
        raise KeyError
    with pytest.raises(SourceError, match="stuck"), Stuck(1):
        pass
