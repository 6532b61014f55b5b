"""``faceid doctor``: what is installed, whether it works and how fast, where people are kept; a camera."""

from __future__ import annotations

import importlib
import platform
import re
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from faceid_fast.cli.bench.stages import time_stages
from faceid_fast.cli.doctor_camera import (
    FramesOption,
    KindOption,
    SourceOption,
    camera_table,
    camera_title,
    check_kind,
    examined_camera,
    warnings_of,
)
from faceid_fast.cli.output import JsonOption, busy, console, plain, show_table, write_json
from faceid_fast.cli.people import VaultOption, opened
from faceid_fast.cli.stream.camera import SettingsOption
from faceid_fast.errors import FaceIDError
from faceid_fast.face.bundled import bundled_model_sha256, read_bundled_model
from faceid_fast.face.embedder import BUNDLED_MODEL, Embedder
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.liveness_limits import BUNDLED_LIMITS
from faceid_fast.matching.gallery import Gallery
from faceid_fast.vault import DATABASE, default_directory, key_kept

if TYPE_CHECKING:
    from pathlib import Path

BROKEN: Final = 2
PACKAGE: Final = "faceid-fast"
LIBRARIES: Final = ("apsw", "cryptography", "cv2", "numpy", "onnxruntime")
"""Modules with compiled parts, which can be installed and still fail to load."""
_MODELS: Final = (HEAD_MODEL, BUNDLED_LIMITS, BUNDLED_MODEL)
_REPEATS: Final = 20
_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:.*\bextra == ['\"]([\w-]+)['\"])?")


def doctor(
    *,
    source: SourceOption = None,
    option: SettingsOption = None,
    kind: KindOption = None,
    frames: FramesOption = 30,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Check the installation, and a camera; exit 2 if something is broken.

    Shows versions, model hashes, the matcher's kernel, a timed verification, the vault and where its key is.
    Makes no vault where there is none.
    With --source, what a camera or a folder gives, too: density, holes, noise, registration and rate.
    Let somebody stand still before it, upright: whether a face is seen is said; nothing of it is kept.
    """
    check_kind(kind)
    out = console(json_to)
    with busy(out, "checking the installation"):
        record, problems = _examined(default_directory() if vault is None else vault)
    if source is not None:
        try:
            with busy(out, "looking at the camera"):
                record["camera"] = examined_camera(source, option, kind, frames)
        except ImportError:
            record["camera"] = None  # which library does not load has been said
        except FaceIDError as error:
            record["camera"] = None
            problems.append(str(error))
    show_table(out, _table(record), "faceid doctor")
    if camera := record.get("camera"):
        show_table(out, camera_table(camera), camera_title(camera))
    for note in _notes(record):
        out.print(plain(note))
    for problem in problems:
        out.print(Text.assemble(("broken: ", "red"), plain(problem)))
    warned = warnings_of(record.get("camera"))
    if problems:
        out.print(f"[red]{len(problems)} broken[/]")
    else:
        out.print(
            f"[yellow]works; of the camera {warned} not as expected[/]" if warned else "[green]all well[/]"
        )
    write_json(record, json_to)
    if problems:
        raise typer.Exit(BROKEN)


def _examined(vault: Path) -> tuple[dict[str, Any], list[str]]:
    """Examine everything; returns what was found, and what is broken."""
    record: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": _versions(),
        "extras": _extras(),
        "gallery_backend": Gallery(dim=128).backend,
    }
    problems = list(_not_loading())
    for name, examine in (
        ("models", _models),
        ("contract", _contract),
        ("verify_ms", _verify_ms),
        ("vault", lambda: _vault(vault)),
    ):
        try:
            record[name] = examine()
        except ImportError:
            record[name] = None  # which library does not load has been said
        except FaceIDError as error:
            record[name] = None
            problems.append(str(error))
    record["problems"] = problems
    return record, problems


def _requirements() -> Iterator[tuple[str, str | None]]:
    """List the package's requirements, each with the extra that it belongs to, if any."""
    try:
        lines = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        lines = []
    for line in lines:
        if found := _REQUIREMENT.match(line):
            yield found[1], found[2]


def _versions() -> dict[str, str | None]:
    names = (name for name, extra in _requirements() if extra is None and not name.startswith("opencv"))
    # OpenCV comes under four names, of which any will do.
    opencv = sorted(set(metadata.packages_distributions().get("cv2", ["opencv-python"])))
    return {name: _version(name) for name in (PACKAGE, *names, *opencv)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, bool]:
    """Say of each extra whether everything that it brings is installed."""
    there: dict[str, bool] = {}
    for name, extra in _requirements():
        if extra is not None:
            there[extra] = there.get(extra, True) and _version(name) is not None
    return there


def _not_loading() -> Iterator[str]:
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            advice = "install its system libraries, or opencv-python-headless in place of opencv-python"
            yield f"{name} cannot be loaded ({error}): " + (advice if name == "cv2" else f"reinstall {name}")


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
        "key_limits": {
            f"{modality} {key}": limit
            for modality, limits in contract.key_limits.items()
            for key, limit in limits.items()
        },
        "training_commit": contract.training_commit,
        "embedding_size": contract.embedding_size,
    }


def _verify_ms() -> dict[str, float]:
    """Median milliseconds per stage of one verification of a bundled render."""
    return {stage: spread["median"] for stage, spread in time_stages(_REPEATS).items()}


def _vault(directory: Path) -> dict[str, Any]:
    """Describe the vault and where its key is; opening it checks every record."""
    kept = key_kept(directory)
    found: dict[str, Any] = {
        "directory": str(directory),
        "exists": any((directory / name).exists() for name in (DATABASE, "epoch")),
        "key": kept.origin,
        "key_beside_data": kept.beside_data,
    }
    if found["exists"]:
        with opened(directory) as people:
            found["people"] = people.info().people
    return found


def _table(record: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    table.add_row("python", plain(f"{record['python']}, {record['machine']}"))
    for name, version in record["versions"].items():
        table.add_row(plain(name), plain(version or "missing"))
    table.add_section()
    for name, sha256 in (record["models"] or {}).items():
        table.add_row(plain(name), plain(f"as it was published (SHA-256 {sha256[:12]}...)"))
    for name, value in (record["contract"] or {}).items():
        shown = (
            ", ".join(f"{key} {each:.3f}" for key, each in value.items())
            if isinstance(value, dict)
            else value
        )
        table.add_row(plain(name.replace("_", " ")), plain(shown))
    table.add_section()
    table.add_row("matcher", plain(record["gallery_backend"]))
    if times := record["verify_ms"]:
        parts = ", ".join(f"{stage} {ms:.1f}" for stage, ms in times.items() if stage != "total")
        table.add_row("a verification", plain(f"{times['total']:.1f} ms ({parts})"))
    table.add_section()
    if vault := record["vault"]:
        people = f"{vault['people']} people" if vault["exists"] else "none yet"
        table.add_row("vault", plain(f"{vault['directory']}: {people}"))
        table.add_row("its key", plain(vault["key"]))
    table.add_section()
    for extra, there in record["extras"].items():
        how = "installed" if there else f'not installed: pip install "{PACKAGE}[{extra}]"'
        table.add_row(plain(f"extra {extra}"), plain(how))
    return table


def _notes(record: dict[str, Any]) -> list[str]:
    """List what works but may not be wanted."""
    notes = []
    if (vault := record["vault"]) and vault["key_beside_data"]:
        lies = "lies" if vault["exists"] else "would lie"
        notes.append(
            f"the vault's key {lies} beside its data, and whoever copies the directory can read it: "
            "FACEID_KEY_FILE names another place"
        )
    if len([name for name in record["versions"] if name.startswith("opencv")]) > 1:
        notes.append("several builds of OpenCV overwrite each other's files: uninstall all, install one")
    return notes
