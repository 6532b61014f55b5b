from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

import faceid_fast
from release import check_wheel

ROOT = Path(__file__).resolve().parents[3]
WINDOWED = {
    "imshow",
    "namedWindow",
    "waitKey",
    "waitKeyEx",
    "destroyAllWindows",
    "destroyWindow",
    "selectROI",
}


def test_only_one_option_needs_opencv_s_windows() -> None:
    """So that opencv-python-headless serves as well."""
    package = Path(faceid_fast.__file__).parent
    needing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(f"cv2.{name}(" in path.read_text("utf-8") for name in WINDOWED)
    }
    assert needing == {"cli/stream/command.py"}  # which says so where there are none: test_stream_cli


def test_third_party_names_what_is_locked() -> None:
    """That it names all of it is for `make lint`, which asks cargo."""
    locked = {
        (package["name"], package["version"])
        for package in tomllib.loads((ROOT / "Cargo.lock").read_text("utf-8"))["package"]
    }
    head = (ROOT / "THIRD_PARTY").read_text("utf-8").partition("-----")[0]
    named = set(re.findall(r"^([\w-]+) ([\d.]+): (?:MIT|Zlib|BSD-2-Clause|Apache-2.0)$", head, re.MULTILINE))
    assert {"pyo3", "numpy", "nalgebra", "memmap2"} <= {name for name, _ in named}
    assert named <= locked


def test_the_ends_are_what_pyproject_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    least = dict(re.findall(r"([\w-]+)>=([\d.]+)", " ".join(project["dependencies"])))
    least["opencv-python-headless"] = least.pop("opencv-python")
    oldest = pinned("oldest.txt")
    assert set(least) <= set(oldest)
    for name, version in least.items():
        # The first that satisfies it: releases may be missing, a version's last zeros may be left out.
        assert numbers(oldest[name])[:2] == numbers(version)[:2], name
        assert numbers(oldest[name]) >= numbers(version), name
    assert set(pinned("run.txt").items()) <= set(pinned("dev.txt").items())
    assert "opencv-python" not in oldest


def pinned(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))


def numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return (*parts, *[0] * (4 - len(parts)))


def test_the_check_runs_the_readme_s_quickstart() -> None:
    code, printed = check_wheel.quickstart()
    assert "auth.verify(" in code
    assert printed.splitlines()[0] == "5 references"


def test_the_check_can_fail(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="expected exit 0, got 3"):
        check_wheel.run(sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(SystemExit, match=r"missing \['a'\], not expected \['b'\]"):
        check_wheel.expect_equal({"b"}, {"a"}, "files")
    with pytest.raises(SystemExit, match=r"expected one \*\.whl, got 0"):
        check_wheel.only_one(tmp_path, "*.whl")
    wrong = tmp_path / "faceid_fast-0-py3-none-any.whl"
    wrong.write_bytes(b"")
    with pytest.raises(SystemExit, match="one wheel for every Python"):
        check_wheel.check_wheel(wrong)
