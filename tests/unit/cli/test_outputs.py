"""What verbs write, and with what they end when it cannot be written: for every verb that there is."""

from __future__ import annotations

import ast
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faceid_fast
from command_line import arguments_of, faceid, lay_out, verbs
from faceid_fast import private_files
from faceid_fast.sources.recording import playback, record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes are POSIX's"),
]
PACKAGE = Path(faceid_fast.__file__).parent
KEY = "5e" * 32


def options_that_write(command: Any) -> list[str]:
    """Options that name a file to be written: those of every verb that is added later too."""
    return [
        option.opts[0]
        for option in command.params
        if option.param_type_name == "option" and option.metavar == "FILE"
    ]


WRITING = [(verb, option) for verb, command in verbs() for option in options_that_write(command)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two people of renders: as captures, as folders of frames, in a vault; a backup, and a key elsewhere."""
    place = tmp_path_factory.mktemp("world")
    lay_out(place)
    before = os.environ.get("FACEID_KEY_FILE")
    os.environ["FACEID_KEY_FILE"] = str(place / "key")
    for name in ("ada", "ben"):
        enrolled = faceid("enroll", name, place / f"{name}-enroll", "--vault", place / "vault")
        assert enrolled.exit_code == 0, enrolled.output
    assert faceid("vault", "policy", "diagnostics=true", "--vault", place / "vault").exit_code == 0
    assert faceid("vault", "backup", place / "backup", "--vault", place / "vault").exit_code == 0
    yield place
    if before is None:
        del os.environ["FACEID_KEY_FILE"]
    else:
        os.environ["FACEID_KEY_FILE"] = before


@pytest.fixture
def vault(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The vault, to be changed, and its key."""
    monkeypatch.setenv("FACEID_KEY_FILE", str(shutil.copy(world / "key", tmp_path / "key")))
    return Path(shutil.copytree(world / "vault", tmp_path / "vault"))


def with_option(arguments: list[object], option: str, path: Path) -> list[object]:
    """The same, with an option that writes to a path."""
    if option in arguments:
        at = arguments.index(option)
        return [*arguments[: at + 1], path, *arguments[at + 2 :]]
    return [*arguments, option, path]


def test_every_verb_is_driven(world: Path, tmp_path: Path) -> None:
    for verb, _ in verbs():
        arguments_of(verb, world, tmp_path, tmp_path)


def open_to_others(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.lstat().st_mode & 0o077]


@pytest.mark.parametrize(("verb", "option"), WRITING)
def test_what_a_verb_writes_is_closed_to_others(
    world: Path, vault: Path, tmp_path: Path, verb: str, option: str
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o700)
    arguments, given = arguments_of(verb, world, vault, out)
    before = os.umask(0)
    try:
        done = faceid(*verb.split(), *with_option(arguments, option, out / "written"), given=given)
    finally:
        os.umask(before)
    assert done.exit_code in (0, 1), done.output
    assert (out / "written").stat().st_size > 0
    assert open_to_others(out) == []


@pytest.mark.parametrize(("verb", "option"), WRITING)
def test_nothing_is_written_through_a_link(
    world: Path, vault: Path, tmp_path: Path, verb: str, option: str
) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("untouched")
    link.symlink_to(victim)
    arguments, given = arguments_of(verb, world, vault, tmp_path)
    done = faceid(*verb.split(), *with_option(arguments, option, link), given=given)
    assert (done.exit_code, victim.read_text()) == (2, "untouched"), done.output
    assert done.stderr.count("\n") == 1
    assert f"{option}: {link}: not writable (a symbolic link" in done.stderr
    link.unlink()
    link.symlink_to(tmp_path / "nothing yet")
    assert faceid(*verb.split(), *with_option(arguments, option, link), given=given).exit_code == 2
    assert not (tmp_path / "nothing yet").exists()


def test_arguments_that_are_written_to_go_through_no_link_either(
    world: Path, vault: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    for link in (tmp_path / "link", tmp_path / "dangling"):
        link.symlink_to(tmp_path / ("victim" if link.name == "link" else "nothing yet"))
        done = faceid("record", link, "--source", world / "ada-probe")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert "expected a folder, new or empty, got a symbolic link" in done.stderr
        done = faceid("vault", "backup", link, "--vault", vault)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert not list((tmp_path / "victim").iterdir())
    assert not (tmp_path / "nothing yet").exists()


def test_no_link_leads_into_a_pipe_or_an_open_file(tmp_path: Path) -> None:
    """Whoever made it would read what is written, or have it written over what this process has open."""
    os.mkfifo(tmp_path / "theirs")
    with (tmp_path / "open").open("w+") as file:
        name = Path(f"/dev/fd/{file.fileno()}")
        private_files.write_private(name, b"by its name")
        for number, target in enumerate((tmp_path / "theirs", name, Path("/dev/null"))):
            link = tmp_path / f"link {number}"
            link.symlink_to(target)
            for refused in (
                private_files.check_writable,
                private_files.open_private,
                lambda path: private_files.write_private(path, b"through a link"),
            ):
                with pytest.raises(OSError, match="a symbolic link"):
                    refused(link)
    assert (tmp_path / "open").read_text() == "by its name"
    for nothing in ("/dev/fd/987654", "/dev/fd/99999999999999"):
        with pytest.raises(OSError, match=r"Bad file descriptor|No such file"):
            private_files.write_private(Path(nothing), b"")


def test_a_link_that_takes_a_pipe_s_place_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    monkeypatch.setattr(private_files, "_is_stream", lambda _: True)  # it was one when it was looked at
    for path in (tmp_path / "link", tmp_path / "victim"):
        with pytest.raises(OSError, match=r"symbolic link|File exists"):
            private_files.write_private(path, b"")
    assert (tmp_path / "victim").read_text() == "untouched"


def test_looking_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deeper" / "unlock.png"
    assert faceid("demo", "--out", out, "--json", tmp_path / "no" / "a.json").exit_code == 2
    (tmp_path / "file").write_text("")
    done = faceid("demo", "--out", tmp_path / "file" / "new" / "unlock.png")
    assert (done.exit_code, "Not a directory" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_was_open_is_closed_by_writing_it(tmp_path: Path) -> None:
    file = tmp_path / "written"
    file.write_text("before")
    file.chmod(0o644)
    private_files.write_private(file, b"after")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"after", 0o600)
    file.chmod(0o644)
    with private_files.open_private(file) as stream:
        stream.write("line\n")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("line\n", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_pipes_and_devices_are_written_to_as_they_are(world: Path, tmp_path: Path) -> None:
    vault = world / "vault"
    assert faceid("list", "--vault", vault, "--json", "/dev/null").exit_code == 0
    done = run("list", "--vault", vault, "--json", "/dev/stdout")
    assert done.returncode == 0
    assert '"identity": "ada"' in done.stdout
    with (tmp_path / "redirected").open("w") as file:
        assert run("list", "--vault", vault, "--json", "/dev/stdout", stdout=file).returncode == 0
    assert '"identity": "ada"' in (tmp_path / "redirected").read_text()
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:  # noqa: S607
        assert faceid("list", "--vault", vault, "--json", tmp_path / "pipe").exit_code == 0
        assert '"ada"' in reader.communicate()[0]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_recording_is_closed_to_others(world: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        record(playback(world / "ada-enroll"), tmp_path / "deep" / "recorded")
    finally:
        os.umask(before)
    assert open_to_others(tmp_path) == []
    assert len(list(playback(tmp_path / "deep" / "recorded"))) == 5


WRITE_THEMSELVES = {
    "private_files.py": "the one that writes",
    "vault/directory.py": "makes the vault's folder",
    "vault/bootstrap.py": "an empty file, closed to others, for the database",
    "vault/backup.py": "a copy that it reads, in a folder of its own",
    "vault/keys.py": "overwrites a key that is erased",
}


def test_nothing_else_writes_files() -> None:
    """`write_text` and the like leave a file to the umask, and go through links."""
    found = {path for path in PACKAGE.rglob("*.py") if writes(path.read_text("utf-8"))}
    assert {path.relative_to(PACKAGE).as_posix() for path in found} == set(WRITE_THEMSELVES)


WRITING_CALLS = {
    *(
        "write_text",
        "write_bytes",
        "touch",
        "mkdir",
        "makedirs",
        "copyfile",
        "copytree",
        "NamedTemporaryFile",
    ),
    *(
        "imwrite",
        "imsave",
        "VideoWriter",
        "savefig",
        "save",
        "savez",
        "savez_compressed",
        "savetxt",
        "tofile",
    ),
}


def writes(source: str) -> bool:
    """Whether a module makes a file or a folder by itself; what is written into memory is none."""
    nodes = list(ast.walk(ast.parse(source)))
    made = [node for node in nodes if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    memory = {ast.unparse(node.targets[0]) for node in made if ast.unparse(node.value.func) == "io.BytesIO"}
    return any(makes_a_file(node, memory) for node in nodes if isinstance(node, ast.Call))


def makes_a_file(call: ast.Call, memory: set[str]) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    opens = name == "open" and any(len(mode) < 4 and set(mode) & set("wax+") for mode in texts)
    into = ast.unparse(call.args[0]) if call.args else ""
    return opens or (name in WRITING_CALLS and into not in memory)


def test_writing_is_recognised() -> None:
    for code in (
        "path.write_text('x')", "path.open('w')", "open(path, mode='ab')", "cv2.imwrite('a.png', x)",
        "figure.savefig(out)", "np.save('x.npy', y)", "out.parent.mkdir()",
    ):  # fmt: skip
        assert writes(code), code
    for code in ("path.open('rb')", "Vault.open(directory)", "content = io.BytesIO()\nnp.save(content, y)"):
        assert not writes(code), code


def run(*arguments: object, **streams: Any) -> subprocess.CompletedProcess[str]:
    streams.setdefault("stdout", subprocess.PIPE)
    streams.setdefault("stderr", subprocess.PIPE)
    streams.setdefault("stdin", subprocess.DEVNULL)
    command = [sys.executable, "-m", "faceid_fast", *map(str, arguments)]
    return subprocess.run(command, text=True, check=False, timeout=120, **streams)


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.fixture(params=["a closed pipe", "a full disk", "closed", "all closed"])
def streams(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Where what is said cannot be said."""
    if request.param == "closed":
        yield {"stdout": None, "preexec_fn": lambda: os.close(1)}
        return
    if request.param == "all closed":
        yield {"stdout": None, "stderr": None, "preexec_fn": lambda: os.closerange(0, 3)}
        return
    handle = closed_pipe() if request.param == "a closed pipe" else os.open("/dev/full", os.O_WRONLY)
    yield {"stdout": handle}
    os.close(handle)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize("who", ["ada", "cleo", "version", "help"])
def test_a_verdict_that_cannot_be_said_is_an_error(world: Path, streams: dict[str, Any], who: str) -> None:
    """Neither let in (0) nor rejected (1): whoever reads only the exit code must not be told either."""
    asked: tuple[object, ...] = ("identify", world / f"{who}-probe", "--vault", world / "vault")
    if who in ("version", "help"):
        asked = (f"--{who}",)
    done = run(*asked, **streams)
    assert done.returncode == 2, done
    if done.stderr is not None:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1, done.stderr


def test_one_means_rejected(world: Path) -> None:
    for who, code in (("ada", 0), ("cleo", 1)):
        assert run("identify", world / f"{who}-probe", "--vault", world / "vault").returncode == code
    for wrong in (("nonsense",), ("list", "--vault", world / "nothing"), ("identify",)):
        assert run(*wrong).returncode == 2
    broken = run("--version", env={**os.environ, "PYTHONPATH": str(world / "broken")})
    assert broken.returncode == 0
    (world / "broken").mkdir()
    (world / "broken" / "typer.py").write_text("raise ImportError('no typer here', name='typer')")
    broken = run("--version", env={**os.environ, "PYTHONPATH": str(world / "broken")})
    assert (broken.returncode, broken.stderr) == (2, "error: typer cannot be loaded (no typer here)\n")


@pytest.mark.parametrize(
    "wrong", ["RuntimeError('another ABI')", "SystemExit(1)", "OSError('no disk')", "BaseException('x')"]
)
def test_what_a_library_raises_while_it_is_loaded_is_no_rejection(tmp_path: Path, wrong: str) -> None:
    """Python ends with 1 for whatever nobody catches."""
    (tmp_path / "typer.py").write_text(f"raise {wrong}")
    broken = run("--version", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert broken.returncode == 2, broken
    assert broken.stderr.strip()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize(("number", "verb"), list(enumerate(verb for verb, _ in verbs())))
def test_a_verb_that_cannot_be_heard_is_an_error(
    world: Path, vault: Path, tmp_path: Path, number: int, verb: str
) -> None:
    """In one of the ways that there are; `identify` is tested in all of them."""
    arguments, given = arguments_of(verb, world, vault, tmp_path)
    (tmp_path / "typed").write_text(given)
    with (tmp_path / "typed").open() as typed, Path("/dev/full").open("w") as full:
        handle = (closed_pipe(), full.fileno(), None)[number % 3]
        closing = (lambda: os.close(1)) if handle is None else None
        done = run(*verb.split(), *arguments, stdin=typed, stdout=handle, preexec_fn=closing)
        if number % 3 == 0:
            os.close(int(handle))
    assert done.returncode == 2, done
    assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize(("verb", "option"), [each for each in WRITING if each[1] == "--json"])
def test_a_full_disk_takes_one_line(world: Path, vault: Path, tmp_path: Path, verb: str, option: str) -> None:
    arguments, given = arguments_of(verb, world, vault, tmp_path)
    done = faceid(*verb.split(), *with_option(arguments, option, Path("/dev/full")), given=given)
    assert done.exit_code == 2, done.output
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "No space left on device: the disk is full, make room on it" in done.stderr.splitlines()[-1]


ASKING = {
    "unlock --credential": ("unlock", "--credential"),
    "credential set": ("credential", "set"),
    "vault erase": ("vault", "erase"),
}


@pytest.mark.parametrize("how", ["closed", "empty"])
@pytest.mark.parametrize("asked", ASKING.values(), ids=ASKING)
def test_nobody_answers(vault: Path, asked: tuple[str, ...], how: str) -> None:
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL}
    if how == "closed":
        streams = {"stdin": None, "preexec_fn": lambda: os.close(0)}
    done = run(*asked, "--vault", vault, **streams)
    assert done.returncode == 2, done
    assert done.stderr.endswith("expected a line on standard input, got none\n")
    assert done.stderr.count("\n") == 1
    assert (vault / "vault.db").exists()


def test_a_stream_ends_when_nobody_reads(world: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    asked = ("stream", "--identify", "--source", world / "ada-probe", "--vault", world / "vault")
    done = run(*asked, "--json", "-", stdout=writing)
    os.close(writing)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: what was to be said could not be written: Broken pipe"


NOBODY_ELSE_COMES = """
import dataclasses, sys, time
import numpy as np
from faceid_fast.cli.stream import command
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.renders import bundled_renders

class Camera(Source):
    name = "camera"
    frame = next(render for render in bundled_renders() if render.kind == "probe").read()
    taken, noise = 0, np.random.default_rng(0)
    def _read(self):
        time.sleep(0.02)
        self.taken += 1
        depth, picture = self.frame.depth, self.frame.infrared
        away = self.noise.integers(0, 4, depth.shape).astype(np.uint16) + np.uint16(self.taken % 50)
        seen = {"depth": np.where(depth > 0, depth + away, 0), "infrared": picture + away}
        return dataclasses.replace(self.frame, **seen)
    def _release(self):
        print("released", file=sys.stderr)

command.opened_source = lambda *_: Camera()
from faceid_fast.__main__ import main
main()
"""


@pytest.mark.parametrize("how", ["in words", "for programs"])
def test_a_stream_notices_that_nobody_reads_any_more(world: Path, how: str) -> None:
    """As of ``faceid stream | head -1``: also if there is nothing more to say."""
    asked = ["stream", "--identify", "--source", "any", "--vault", str(world / "vault")]
    command = [sys.executable, "-c", NOBODY_ELSE_COMES, *asked, *(["--json", "-"] * (how != "in words"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as camera:  # type: ignore[call-overload]
        try:
            assert "ada" in camera.stdout.readline()
            camera.stdout.close()
            assert camera.wait(timeout=20) == 2
        finally:
            camera.kill()
        said = camera.stderr.read().splitlines()
    assert said[-2:] == ["released", "error: what was to be said could not be written: Broken pipe"]


def test_interrupted_while_libraries_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass"
    )
    ended = run("--version", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


def test_frames_are_as_they_were(world: Path, tmp_path: Path) -> None:
    record(playback(world / "ada-enroll"), tmp_path / "again")
    for ours, theirs in zip(playback(world / "ada-enroll"), playback(tmp_path / "again"), strict=True):
        np.testing.assert_array_equal(ours.depth, theirs.depth)
