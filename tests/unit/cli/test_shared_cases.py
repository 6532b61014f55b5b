"""Small inputs that went wrong, from outside of this repository: each is walked through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import faceid

CASES = Path(__file__).parents[4] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no folder of cases at {CASES}")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Ada, enrolled by infrared frames; and by a colour frame as "ada in colour"."""
    place = tmp_path_factory.mktemp("cases")
    (place / "key").write_text("5e" * 32)
    (place / "key").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEID_KEY_FILE", str(place / "key"))
        for name, case in (("ada", "right"), ("ada in colour", "png_with_transparency_chunk")):
            done = faceid("enroll", name, CASES / case, "--vault", place / "vault")
            assert done.exit_code == 0, done.output
        yield place / "vault"


def asked(vault: Path, case: str, *options: str, name: str = "ada") -> tuple[int, dict[str, Any], str]:
    done = faceid("verify", name, CASES / case, "--vault", vault, "--json", "-", *options)
    return done.exit_code, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(
    ("case", "frames", "picture"),
    [
        ("right_probe", 2, "infrared"),
        ("infrared_with_three_equal_channels", 1, "infrared"),
        ("dot_files_of_macos", 1, "infrared"),
        ("capital_endings", 5, "infrared"),
        ("camera_keys_of_realsense", 1, "infrared"),
        ("depth_without_pictures", 2, "infrared"),
        ("holes_single_2", 2, "infrared"),
        ("holes_single_5", 2, "infrared"),
        ("holes_single_10", 2, "infrared"),
        ("holes_round_10", 2, "infrared"),
    ],
)
def test_read_and_accepted(vault: Path, case: str, frames: int, picture: str) -> None:
    code, answer, _ = asked(vault, case)
    assert (code, len(answer["frames"]), answer["modality"]) == (0, frames, picture)


def test_what_was_left_out_is_named(vault: Path) -> None:
    _, answer, said = asked(vault, "depth_without_pictures")
    assert [Path(each.split(": ")[0]).name for each in answer["left_out"]] == [
        f"0{number}_depth.png" for number in range(3)
    ]
    assert said.count("_depth.png: no picture beside it") == 3


@pytest.mark.parametrize(
    ("case", "part"),
    [
        ("grey_color", "got one channel"),
        ("camera_of_another_resolution", "(157, 150), got (720, 1280)"),
        ("open3d_matrix_by_rows", "they seem to be written row by row"),
        ("tum_milliseconds", "times must be seconds"),
    ],
)
def test_refused_with_the_reason(vault: Path, case: str, part: str) -> None:
    code, answer, said = asked(vault, case)
    assert (code, answer["error"]["kind"]) == (2, "SourceError")
    assert part in answer["error"]["message"]
    assert part in said


def test_of_two_pictures_one_is_chosen(vault: Path) -> None:
    code, answer, said = asked(vault, "both_pictures", name="ada in colour")
    assert (code, answer["modality"]) == (0, "color")
    assert "colour is taken; --picture infrared" in said
    code, answer, said = asked(vault, "both_pictures", "--picture", "infrared")
    assert (code, answer["modality"], said) == (0, "infrared", "accepted: ada\n")


def test_a_grey_picture_is_infrared_when_it_is_said_to_be(vault: Path) -> None:
    code, answer, _ = asked(vault, "grey_color", "--picture", "infrared")
    assert (code, answer["modality"]) == (0, "infrared")
    assert asked(vault, "grey_color", "--picture", "color")[0] == 2


def test_quarter_millimetres_of_open3d(vault: Path) -> None:
    code, answer, _ = asked(vault, "open3d_depth_scale_4000", name="ada in colour")
    assert (code, answer["outcome"], answer["modality"]) == (0, "accepted", "color")
    assert asked(vault, "open3d_depth_scale_4000", "--picture", "infrared")[0] == 0


@pytest.mark.parametrize(("case", "turn"), [("turned_90", "270"), ("turned_180", "180")])
def test_turned_upright(vault: Path, case: str, turn: str) -> None:
    assert asked(vault, case, "--turn", turn)[1]["outcome"] == "accepted"
