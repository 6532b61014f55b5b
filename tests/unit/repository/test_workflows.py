from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_two() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "wheels.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_pinned_and_may_do_little(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    # By commit: a tag could be moved; its name stands beside for people.
    for line in path.read_text("utf-8").splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_what_ci_runs_is_run() -> None:
    """Every target of `.ci/run`, and no other."""
    local = re.findall(r"^make ([\w-]+)", (ROOT / ".ci" / "run").read_text("utf-8"), flags=re.MULTILINE)
    (check,) = (job for job in read(ROOT / ".github/workflows/ci.yml")["jobs"].values() if "name" in job and
                "target" in job["strategy"]["matrix"])  # fmt: skip
    assert check["strategy"]["matrix"]["target"] == local


def test_only_a_tag_publishes_and_without_a_password() -> None:
    jobs = read(ROOT / ".github/workflows/wheels.yml")["jobs"]
    publish = jobs["publish"]
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert set(publish["needs"]) == set(jobs) - {"publish"}
    assert publish["permissions"]["id-token"] == "write"
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert "secrets." not in (ROOT / ".github/workflows/wheels.yml").read_text("utf-8")


def test_every_wheel_is_driven_where_it_was_built() -> None:
    workflow = read(ROOT / ".github/workflows/wheels.yml")
    assert {"run": "python -m release.check_wheel dist"} in workflow["jobs"]["wheel"]["steps"]
    builds = [step["with"] for step in steps(workflow) if "maturin-action" in step.get("uses", "")]
    assert len(builds) == 2
    # The version that builds here builds there.
    pinned = re.search(
        r"^maturin==([\d.]+)", (ROOT / "requirements/dev.txt").read_text("utf-8"), re.MULTILINE
    )
    assert pinned is not None
    assert {build["maturin-version"] for build in builds} == {f"v{pinned[1]}"}
    assert all("--locked" in build["args"] for build in builds if "command" not in build)
