"""``faceid doctor``: what is installed, whether it is whole, and how fast it is here."""

from __future__ import annotations

import platform
from importlib import metadata, util
from typing import Any, Final

import typer
from rich.table import Table

from faceid_fast.cli.output import JsonOption, console, plain, write_json
from faceid_fast.cli.stages import time_stages
from faceid_fast.embed import BUNDLED_MODEL, Embedder
from faceid_fast.errors import FaceIDError
from faceid_fast.face import HEAD_MODEL, bundled_model_sha256, read_bundled_model
from faceid_fast.gallery import Gallery
from faceid_fast.liveness import BUNDLED_LIMITS, LivenessCheck

BROKEN: Final = 2
REQUIRED: Final = ("faceid-fast", "numpy", "onnxruntime", "opencv-python", "typer", "rich")
EXTRAS: Final = {"report": ("matplotlib", "sklearn")}
_MODELS: Final = (HEAD_MODEL, BUNDLED_LIMITS, BUNDLED_MODEL)
_REPEATS: Final = 20


def doctor(json_to: JsonOption = None) -> None:
    """Check the installation; exit 2 if something is broken."""
    record: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: _version(name) for name in REQUIRED},
        "extras": {
            extra: all(util.find_spec(module) is not None for module in modules)
            for extra, modules in EXTRAS.items()
        },
        "gallery_backend": Gallery(dim=128).backend,
    }
    problems: list[str] = []
    for name, measure in (("models", _models), ("contract", _contract), ("verify_ms", _verify_ms)):
        try:
            record[name] = measure()
        except FaceIDError as error:
            record[name] = None
            problems.append(str(error))
    record["problems"] = problems
    out = console(json_to)
    table = Table("what", "value", title="faceid doctor", show_header=False)
    for key, value in _flat(record):
        table.add_row(plain(key), plain(value))
    out.print(table)
    out.print("[green]all well[/]" if not problems else f"[red]{len(problems)} problems[/]")
    write_json(record, json_to)
    if problems:
        raise typer.Exit(BROKEN)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # for instance opencv-python-headless in its place


def _models() -> dict[str, str]:
    """SHA-256 of the bundled models; reading them checks them."""
    for name in _MODELS:
        read_bundled_model(name)
    return {name: bundled_model_sha256(name) for name in _MODELS}


def _contract() -> dict[str, Any]:
    contract = Embedder.bundled().contract
    return {
        "liveness_id": LivenessCheck.bundled().limits.limits_id,
        "model_id": contract.model_id,
        "thresholds": dict(contract.thresholds),
        "training_commit": contract.training_commit,
        "embedding_size": contract.embedding_size,
    }


def _verify_ms() -> dict[str, float]:
    """Median milliseconds per stage of one verification of a bundled render."""
    return {stage: spread["median"] for stage, spread in time_stages(_REPEATS).items()}


def _flat(record: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in record.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key} ")
        elif isinstance(value, list):
            rows += [(f"{prefix}{key}", str(entry)) for entry in value]
        else:
            rows.append((f"{prefix}{key}", f"{value:.3f}" if isinstance(value, float) else str(value)))
    return rows
