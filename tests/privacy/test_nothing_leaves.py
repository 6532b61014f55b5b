"""Nothing leaves the machine, and nothing is written but where somebody asked for it: as PRIVACY.md says.

Every verb, the README's Python, and every library that can be installed here, each in a process of its own
that stays for as long as what reports in the background takes to do so.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from watched import Watched, watch

from command_line import arguments_of, lay_out, verbs

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here (Linux)")
ROOT = Path(__file__).resolve().parents[2]
STAY_S = 25
EXTRAS = ROOT / ".venv-extras" / "bin" / "python"
VERB = """
import sys, time
from faceid_fast.cli import app
try:
    app({arguments!r})
except SystemExit as done:
    print("ended with", done.code)
time.sleep({stay})
"""
STAYING = "\nimport time\ntime.sleep({stay})\n"


def all_at_once(calls: dict[str, Callable[[], Watched]]) -> dict[str, Watched]:
    """They sleep for most of the time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(lambda call: call(), calls.values()), strict=True))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures, folders of frames, and a vault with a backup."""
    place = tmp_path_factory.mktemp("world")
    lay_out(place)
    for arguments in (
        *(["enroll", name, place / f"{name}-enroll", "--vault", place / "vault"] for name in ("ada", "ben")),
        ["vault", "policy", "diagnostics=true", "--vault", place / "vault"],
        ["vault", "backup", place / "backup", "--vault", place / "vault"],
    ):
        code = VERB.format(arguments=[*map(str, arguments)], stay=0)
        done = watch(code, place / "home", FACEID_KEY_FILE=str(place / "key"))
        assert "ended with 0" in done.said, done.said
    return place


def test_no_verb_reports_or_leaves_anything(world: Path, tmp_path: Path) -> None:
    calls: dict[str, Callable[[], Watched]] = {}
    allowed: dict[str, Path] = {}
    for verb, _ in verbs():
        place = tmp_path / verb.replace(" ", "-")
        shutil.copytree(world / "vault", place / "asked for" / "vault")
        key = shutil.copy(world / "key", place / "asked for")
        arguments, given = arguments_of(verb, world, place / "asked for" / "vault", place / "asked for")
        if verb == "evaluate":
            arguments += ["--html", place / "asked for" / "page.html", "--crops"]
        if verb == "pad-report":
            arguments += ["--picture", place / "asked for" / "cues.png"]
        code = VERB.format(arguments=[*verb.split(), *map(str, arguments)], stay=STAY_S)
        calls[verb] = lambda code=code, place=place, key=key, given=given: watch(
            code, place / "home", given=given, FACEID_KEY_FILE=str(key)
        )
        allowed[verb] = place / "asked for"
    found = all_at_once(calls)
    assert {verb: done.sockets for verb, done in found.items() if done.sockets} == {}
    assert {verb: left for verb, done in found.items() if (left := done.outside(allowed[verb]))} == {}
    ended = {verb: re.findall(r"ended with (\d+)", done.said) for verb, done in found.items()}
    assert {verb: codes for verb, codes in ended.items() if codes != ["0"]} == {}


def test_the_calls_of_the_pages_neither(tmp_path: Path) -> None:
    blocks = []
    for page in ("README.md", "docs/quickstart.md", "docs/guides/security.md", "docs/guides/scale.md"):
        found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
        assert found
        blocks.append("\n".join(found))  # each goes on from those before it
    calls: dict[str, Callable[[], Watched]] = {}
    for number, block in enumerate(blocks):
        home = tmp_path / str(number) / "home"
        (home / "tmp").mkdir(parents=True)
        data = tmp_path / str(number) / "data"
        code = block + STAYING.format(stay=STAY_S)
        calls[str(number)] = lambda code=code, home=home, data=data: watch(
            code, home, XDG_DATA_HOME=str(data)
        )
    for number, done in all_at_once(calls).items():
        assert done.ended == 0, done.said
        assert done.sockets == ()
        place = tmp_path / number
        assert done.outside(place / "data", place / "home" / "tmp") == []  # the second makes a place there


LEFT = {"oak": ".cache/depthai/telemetry", "realsense": ".rum"}
"""Folders that a library makes whatever it is told; what is in them, docs/PRIVACY.md says."""
OPENED = """
from faceid_fast.errors import SourceError
from faceid_fast.sources.source import open_source
try:
    open_source({camera!r})
except SourceError as error:
    print(error)
"""


@pytest.mark.skipif(not EXTRAS.exists(), reason="no environment with every extra: make .venv-extras/built")
def test_no_camera_that_is_opened_neither(tmp_path: Path) -> None:
    calls: dict[str, Callable[[], Watched]] = {}
    for camera in ("oak", "realsense", "record3d", "obsensor", "openni2"):
        code = OPENED.format(camera=camera) + STAYING.format(stay=STAY_S)
        calls[camera] = lambda code=code, camera=camera: watch(
            code, tmp_path / camera / "home", python=EXTRAS, PYTHONPATH=str(ROOT / "python")
        )
    for camera, done in all_at_once(calls).items():
        assert done.ended == 0, (camera, done.said)
        assert done.sockets == (), camera
        if camera in ("oak", "realsense", "record3d"):
            assert "not usable" not in done.said
        home = tmp_path / camera / "home"
        left = home / LEFT[camera] if camera in LEFT else home / "nothing"
        assert [path for path in done.outside(left) if not left.is_relative_to(path)] == [], camera
        if camera == "oak":
            assert [path for path in home.rglob("*") if path.is_file()] == []


def test_a_library_left_to_itself_is_noticed(tmp_path: Path) -> None:
    """The control: onnxruntime as it is."""
    code = f"""
from pathlib import Path
import onnxruntime
model = Path({str(ROOT)!r}, "python/faceid_fast/models/faceid.onnx").read_bytes()
onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
"""
    done = watch(code + STAYING.format(stay=STAY_S), tmp_path / "home", python=sys.executable)
    assert done.ended == 0, done.said
    assert done.sockets
    assert done.outside()
