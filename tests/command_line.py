"""The command line as tests use it: every verb, and what each is asked so that it does its work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from faceid_fast.cli import app
from faceid_fast.sources.renders import bundled_renders
from foreign_networks import tiny_network

KEY = "5e" * 32


def faceid(*arguments: object, given: str | None = None) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)


def verbs(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    command = get_command(app) if command is None else command
    if not hasattr(command, "commands"):
        yield name, command
    for each, below in getattr(command, "commands", {}).items():
        yield from verbs(below, f"{name} {each}".strip())


def arguments_of(verb: str, world: Path, vault: Path, out: Path) -> tuple[list[object], str]:
    """What a verb is asked, and told on standard input, so that it does its work; files go to `out`."""
    at = ["--vault", vault]
    frames = world / "ada-probe"
    known: dict[str, tuple[list[object], str]] = {
        "doctor": (at, ""),
        "demo": (["--out", out / "demo.png"], ""),
        "enroll": (["cleo", world / "cleo-probe", *at], ""),
        "verify": (["ada", frames, *at], ""),
        "identify": ([frames, *at], ""),
        "list": (at, ""),
        "export": (["ada", "--templates", *at], ""),
        "remove": (["ada", *at], ""),
        "stream": (["--identify", "--source", frames, "--once", *at], ""),
        "record": ([out / "recorded", "--source", frames], ""),
        "unlock": (["ada", *at], ""),
        "credential set": (at, "a long phrase\na long phrase\n"),
        "vault info": (at, ""),
        "vault verify": (at, ""),
        "vault adopt": (["--forget", "infrared", *at], ""),
        "vault policy": (["turns=false", *at], ""),
        "vault rotate-key": (at, ""),
        "vault backup": ([out / "another backup", *at], ""),
        "vault restore": ([world / "backup", "--vault", out / "restored"], ""),
        "vault erase": (["--yes", *at], ""),
        "audit": (at, ""),
        "model adopt": (
            [world / "network.onnx", "--size", "112", "--order", "rgb", "--template", "arcface", *at],
            "",
        ),
        "model show": (at, ""),
        "model forget": (at, ""),
        "evaluate": ([world / "captures"], ""),
        "calibrate": ([world / "captures", "--target-far", "0.7", "--out", out / "calibration.json"], ""),
        "pad-report": ([world / "captures"], ""),
        "map": (["--out", out / "map.png", "--diagnostics", *at], ""),
        "bench": (["--largest", "1000"], ""),
    }
    return known[verb]


def lay_out(place: Path) -> None:
    """What verbs are asked about: frames and captures of five people (two are twins), a network, a key."""
    for render in bundled_renders():
        folders = [place / f"{render.person}-{render.kind}"]
        if render.kind != "print":
            folders.append(place / "captures" / render.person)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for file in (render.infrared, render.depth, render.camera):
                shutil.copy(file, folder)
    for person in ("ada", "ben"):
        shutil.copytree(place / "captures" / person, place / "captures" / f"the twin of {person}")
    (place / "network.onnx").write_bytes(tiny_network())
    (place / "key").write_text(KEY)
    (place / "key").chmod(0o600)
