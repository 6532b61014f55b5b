"""Is what is published whole, and does it work where this source tree is not?

``python -m release.check_wheel DIST`` takes a folder with one wheel and perhaps one source distribution, as
``make wheel-check`` builds them, and looks at both: what is in them and what is not, which kernels were
compiled. Then it builds a wheel of the source distribution, installs the first one with pinned requirements
into an empty environment, and drives it there from a folder of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
REQUIREMENTS: Final = ROOT / "requirements/run.txt"
MAX_BYTES: Final = 12_000_000
LICENCES: Final = {"LICENSE", "NOTICE", "THIRD_PARTY"}
KERNELS: Final = {"vpdpbusd": "AVX-512 VNNI", "vpmaddubsw": "AVX2 (bytes)", "vfmadd": "AVX2 and FMA (floats)"}
"""Instructions of the matcher's kernels, all of them in one wheel: which runs is chosen where it runs."""
_CORE: Final = re.compile(r"faceid_fast/_core\.(abi3\.so|pyd)")
_PIP: Final = ("-m", "pip", "--quiet", "--disable-pip-version-check")


def main() -> None:
    """Check everything, and say what was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path, help="folder with a wheel, and perhaps its source")
    folder = parser.parse_args().dist.resolve()
    wheel = only_one(folder, "*.whl")
    check_wheel(wheel)
    check_kernels(wheel)
    if any(folder.glob("*.tar.gz")):
        source = only_one(folder, "*.tar.gz")
        check_source(source)
        with tempfile.TemporaryDirectory() as place:
            check_source_builds(source, wheel, Path(place))
    else:
        skip("source distribution", f"there is none in {folder}")
    with tempfile.TemporaryDirectory() as place:
        check_installed(wheel, Path(place))


def only_one(folder: Path, pattern: str) -> Path:
    """The only file of a kind."""
    found = sorted(folder.glob(pattern))
    expect(len(found) == 1, f"{folder}: expected one {pattern}, got {len(found)}")
    return found[0]


def check_wheel(wheel: Path) -> None:
    """Every tracked file of the package, one compiled module, the licences; nothing else."""
    expect("-cp311-abi3-" in wheel.name, f"{wheel.name}: expected one wheel for every Python from 3.11 on")
    size = wheel.stat().st_size
    expect(size <= MAX_BYTES, f"{wheel.name}: expected at most {MAX_BYTES:,} bytes, got {size:,}")
    names = files_of(wheel)
    package = {name for name in names if name.startswith("faceid_fast/")}
    compiled = {name for name in names if name.endswith((".so", ".pyd", ".dylib", ".dll"))}
    expect(len(compiled) == 1, f"expected one compiled module, got {sorted(compiled)}")
    expect(_CORE.fullmatch(*compiled) is not None, f"expected faceid_fast/_core, got {sorted(compiled)}")
    expect_equal(package - compiled, tracked("python"), "files of the package")
    for needed in (
        "py.typed",
        "_core.pyi",
        "models/faceid.onnx",
        "sources/demo_frames/ada/print_0_depth.png",
    ):
        expect(f"faceid_fast/{needed}" in package, f"expected faceid_fast/{needed}, got none")
    about = {name.partition(".dist-info/")[2] for name in names - package}
    expect("" not in about, f"expected nothing beside the package, got {sorted(names - package)}")
    licences = {name.removeprefix("licenses/") for name in about if name.startswith("licenses/")}
    expect_equal(licences, LICENCES, "licences")
    say(f"{wheel.name}: {size / 1e6:.1f} MB, {len(names)} files")


def check_kernels(wheel: Path) -> None:
    """The compiled module holds every kernel, whatever processor it was built on."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        skip("kernels", f"{platform.machine()} has none of its own")
        return
    if (objdump := shutil.which("objdump")) is None:
        skip("kernels", "there is no objdump to disassemble with")
        return
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(wheel) as archive:
        core = next(name for name in archive.namelist() if _CORE.fullmatch(name))
        listing = run(objdump, "--disassemble", "--no-show-raw-insn", archive.extract(core, place))
    for instruction, kernel in KERNELS.items():
        count = len(re.findall(rf"\t{instruction}", listing))
        expect(count > 0, f"kernel {kernel}: expected {instruction}, got none")
        say(f"kernel {kernel}: {instruction} {count} times")


def check_source(source: Path) -> None:
    """What a build needs, of both languages, and nothing that was built."""
    names = files_of(source)
    expect_equal(
        {name for name in names if name.startswith("python/")},
        {f"python/{name}" for name in tracked("python")},
        "files of the package in the source distribution",
    )
    needed = {"Cargo.lock", "Cargo.toml", "README.md", "pyproject.toml", *LICENCES}
    needed |= {f"rust/{name}" for name in tracked("rust") if "/src/" in name or name.endswith("Cargo.toml")}
    expect(needed <= names, f"{source.name}: expected {sorted(needed - names)} too")
    strange = {name for name in names if name.startswith(("tests/", "training/", "benchmarks/", "target/"))}
    expect(not strange, f"{source.name}: expected no {sorted(strange)[:3]}")
    say(f"{source.name}: {source.stat().st_size / 1e6:.1f} MB, {len(names)} files")


def check_source_builds(source: Path, wheel: Path, place: Path) -> None:
    """Pip makes the same wheel of the source distribution; with crates that are there already."""
    options = ("--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", place)
    elsewhere = {"CARGO_NET_OFFLINE": "true", "CARGO_TARGET_DIR": str(ROOT / "target")}
    run(sys.executable, *_PIP, "wheel", *options, source, cwd=place, env=elsewhere)
    built = only_one(place, "*.whl")
    expect_equal(files_of(built), files_of(wheel), f"files of a wheel built of {source.name}")
    say(f"{source.name}: builds the same wheel by itself")


def check_installed(wheel: Path, place: Path) -> None:
    """The wheel does what the README says, in an environment that has only what it asks for."""
    run(sys.executable, "-m", "venv", place / "venv")
    folder = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python, faceid = folder / "python", folder / "faceid"
    run(python, *_PIP, "install", "--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS)
    run(python, *_PIP, "install", "--no-deps", "--no-index", wheel)
    run(python, *_PIP, "check")
    home = place / "home"
    home.mkdir()
    data = {"XDG_DATA_HOME": str(home)}

    def drive(*command: str | Path, status: int = 0) -> str:
        return run(*command, cwd=home, env=data, status=status)

    where = drive(python, "-c", "import faceid_fast; print(faceid_fast.__file__)").strip()
    expect(Path(where).is_relative_to(place), f"expected the installed package, got {where}")
    version = wheel.name.split("-")[1]
    expect_equal({drive(faceid, "--version").strip()}, {f"faceid-fast {version}"}, "version")
    drive(faceid, "doctor")
    drive(faceid, "demo", "--out", "unlock.png")
    expect((home / "unlock.png").stat().st_size > 0, "demo: expected a picture, got none")
    say("installed: doctor, demo")

    code, printed = quickstart()
    expect_equal({drive(python, "-c", code)}, {printed}, "what the README's Python prints")
    frames = Path(where).parent / "sources" / "demo_frames"
    drive(faceid, "enroll", "ada", frames / "ada")
    drive(faceid, "verify", "ada", frames / "ada/probe_0_depth.png")
    drive(faceid, "verify", "ada", frames / "ben/probe_0_depth.png", status=1)
    drive(faceid, "verify", "nobody", frames / "ben/probe_0_depth.png", status=2)
    say("installed: the README's quickstart; verify accepts, rejects and refuses")


def quickstart() -> tuple[str, str]:
    """The README's Python, and what it says that it prints."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    if found is None:
        sys.exit("README.md: expected a block of Python and what it prints, got none")
    return found[1], found[2]


def files_of(archive: Path) -> set[str]:
    """Names of the files in a wheel, or in a source distribution without its first folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as source:
        return {each.name.partition("/")[2] for each in source.getmembers() if each.isfile()}


def tracked(folder: str) -> set[str]:
    """The files that git knows in a folder, relative to it."""
    listing = run("git", "ls-files", "-z", folder, cwd=ROOT)
    return {name.removeprefix(f"{folder}/") for name in listing.split("\0") if name}


def run(
    *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, status: int = 0
) -> str:
    """Run a program away from this tree, and return what it printed; anything but `status` ends the check."""
    # What would lead back to this tree.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FACEID_"))}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != status:
        shown = " ".join(str(word).partition("\n")[0] for word in command)
        sys.exit(f"{shown}: expected exit {status}, got {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001  # what else
    """End the check unless something holds."""
    if not holds:
        sys.exit(otherwise)


def expect_equal(got: Iterable[str], wanted: Iterable[str], what: str) -> None:
    """End the check unless two sets are the same."""
    missing, strange = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
    expect(not missing and not strange, f"{what}: missing {missing}, not expected {strange}")


def say(line: str) -> None:
    """Say what holds."""
    print(f"ok    {line}", flush=True)


def skip(what: str, reason: str) -> None:
    """Say what was not looked at."""
    print(f"skip  {what}: {reason}", flush=True)


if __name__ == "__main__":
    main()
