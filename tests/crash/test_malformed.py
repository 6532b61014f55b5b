"""Malformed values through every public call: typed errors, nobody let in, no face in a message, no harm."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import inspect
import pkgutil
import random
import re
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faceid_fast
from faceid_fast import api, frame, sources
from faceid_fast.access import credential
from faceid_fast.errors import (
    FaceIDError,
    GuessedIntrinsicsWarning,
    InvalidInputError,
    SourceWarning,
    VaultKeyBesideDataWarning,
)
from faceid_fast.matching import decision
from faceid_fast.matching.decision import Decision
from faceid_fast.matching.keys import KeyLimits
from faceid_fast.outcome import Outcome
from malformed import CallersError, Malformed
from people import World
from public_calls import Call, public_calls
from story import KEY

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured by /proc")
SLOWEST_S = 10.0
"""A call that takes longer hangs; the machine may be busy."""
HANGS_S = 120.0
MAX_CHARS = 600
HEADROOM_BYTES = 4 * 2**30
GROWTH_BYTES = 64 * 2**20
_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e[-+]\d+)?")


@dataclass
class Report:
    """What came of the calls."""

    calls: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    untyped: list[str] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)
    telling: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    grown_bytes: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in self.ended.most_common())
        found = f"{len(self.let_in)} let in, {len(self.untyped)} untyped, {len(self.telling)} telling"
        return (
            f"{self.calls} calls: {found}; slowest {self.slowest_s:.2f} s, "
            f"grown by {self.grown_bytes / 2**20:.1f} MiB; {kinds}"
        )


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Let whoever takes all of the memory fail, rather than the machine."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def campaign(world: World, calls: list[Call], count: int, seed: int) -> Report:
    """Make so many calls, each with an argument or several changed."""
    rng = random.Random(seed)
    values = Malformed(rng, world.place, world.faces)
    secrets = {float(value) for face in world.faces for value in face.ravel() if abs(value) not in (0.0, 1.0)}
    chosen = rng.choices(calls, [call.weight for call in calls], k=count)
    report = Report()
    warm = 0
    with warnings.catch_warnings(), little_memory():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", GuessedIntrinsicsWarning)
        warnings.simplefilter("ignore", VaultKeyBesideDataWarning)
        warnings.simplefilter("ignore", SourceWarning)  # some folders hold halves of frames
        for call in chosen:
            if report.calls % 200 == 0:
                faulthandler.dump_traceback_later(HANGS_S, exit=True)
            if report.calls == count // 4:
                warm = resident_bytes()
            make(call, values, secrets, report)
            if call.changes:
                world.settle()
    faulthandler.cancel_dump_traceback_later()
    report.grown_bytes = resident_bytes() - warm
    return report


def make(call: Call, values: Malformed, secrets: set[float], report: Report) -> None:
    """Make one call, and note how it ended."""
    given = arguments(call, values)
    misnamed = given.keys() != call.arguments.keys()
    report.calls += 1
    began = time.perf_counter()
    try:
        answer = call.function()(**given)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a panic of the core is no Exception
        took_s = time.perf_counter() - began
        report.ended[type(error).__name__] += 1
        if not is_allowed(error, call, misnamed=misnamed):
            report.untyped.append(f"{call.name}: {type(error).__name__}: {error!s:.150}")
        if is_telling(error, given, secrets):
            report.telling.append(f"{call.name}: {error!s:.700}")
    else:
        took_s = time.perf_counter() - began
        outcome = answer.outcome if isinstance(answer, Decision) else None
        report.ended[outcome.value if isinstance(outcome, Outcome) else "an answer"] += 1
        if call.lets_in(answer, given):
            report.let_in.append(call.name)
    report.slowest_s = max(report.slowest_s, took_s)


def arguments(call: Call, values: Malformed) -> dict[str, Any]:
    """Arguments of a call, one of them changed, or several, or with a name too few or too many."""
    rng = values.rng
    given = dict(call.arguments)
    if not given:
        return given
    several = rng.random() < 0.2
    one = rng.choice(sorted(given))
    for name, value in given.items():
        if name == one or (several and rng.random() < 0.5):
            given[name] = values.of(value)
    if (misnamed := rng.random()) < 0.01:
        given["nonsense"] = None
    elif misnamed < 0.02:
        del given[one]
    return given


def is_allowed(error: BaseException, call: Call, *, misnamed: bool) -> bool:
    """Whether an error is the package's own, or another's who cannot be replaced.

    Python itself raises a TypeError for arguments that are too few, too many or of another name. What the
    code of an argument raises, where a call has to run it, is the caller's. A truth value and a pickle are
    refused as Python wants them to be, and a gallery's file that cannot be opened is the system's OSError.
    """
    if isinstance(error, CallersError):
        return str(error) in call.runs
    if misnamed and type(error) is TypeError:
        return True
    return isinstance(error, (FaceIDError, *call.refuses))


def is_telling(error: BaseException, given: dict[str, Any], secrets: set[float]) -> bool:
    """Whether what a traceback would show is long, whatever paths are, or holds numbers of a face."""
    paths = [str(value) for value in given.values() if isinstance(value, (str, Path)) and value != Path()]
    shown: BaseException | None = error
    while shown is not None:
        text = str(shown)
        for path in paths:
            text = text.replace(path, "").replace(ascii(path)[1:-1], "")
        numbers = {float(number) for number in _NUMBER.findall(text)}
        with np.errstate(over="ignore"):
            numbers |= {float(np.float32(number)) for number in numbers}
        if len(text) > MAX_CHARS or len(numbers) > 6 or numbers & secrets:
            return True
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return False


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    monkeypatch.setattr(api, "_authenticator", None)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("FACEID_KEYRING", raising=False)
    monkeypatch.setattr(credential, "_MEMORY_KIB", 64)  # a guess takes no quarter of a second
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("cwd", "place"):
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "cwd")
    return World(tmp_path / "place")


def test_nothing_malformed_does_harm(world: World, long: bool) -> None:
    report = campaign(world, public_calls(world), 1_000_000 if long else 20_000, 1)
    print(f"\n{report}")
    assert not report.untyped, Counter(report.untyped).most_common(40)
    assert not report.let_in, Counter(report.let_in)
    assert not report.telling, report.telling[:10]
    assert report.slowest_s < SLOWEST_S
    assert report.grown_bytes < GROWTH_BYTES
    assert world.is_unharmed()


FILLED_BY_THE_PACKAGE = {
    *(
        "Cues",
        "Embedding",
        "Enrollment",
        "Event",
        "FaceCrop",
        "HeadPose",
        "Liveness",
        "NoFace",
        "Note",
        "RejectedFrame",
    ),
}
"""Records without a check: what is in them decides nothing."""
CALLED_BY_OTHERS = {
    *("Gallery.find_best_identity", "Gallery.find_nearest", "Gallery.find_within"),
    *("References.checked_before", "References.with_adapted", "References.with_consent", "Event.now"),
    "Keys.checked_before",
    *("MeasuredThreshold.summary", "MeasuredThreshold.to_json"),
    *("MeasuredThreshold.to_bytes", "MeasuredThreshold.to_record"),
    *("VaultPolicy.difference", "VaultPolicy.for_doors", "VaultPolicy.permissive", "VaultPolicy.to_record"),
    *("ModelContract.check", "ModelContract.to_json", "Authenticator.close", "Vault", "Vault.close"),
    *("Liveness.figures", "read_bounded", "read_json", "read_array", "read_arrays", "frame_of", "associated"),
    *("camera_file_of", "without_camera", "depth_of", "image_of", "label_of", "kind_of"),
    *("files_in", "taken_of"),
    *("listing_in", "listing_of", "Listing.summary", "Listing.first_left_out", "joined", "turned"),
    *("warn_of", "asking_for", "below_named_folders", "folders_in"),
    *("check_on_damage", "checked_picture", "checked_turn", "entries_of", "is_hidden"),
    *("listing_by_species", "listing_of_live_people", "presentations_of"),
    *("contents_of", "listing", "wanted_by", "is_by_species"),
}


DEVICES = tuple(f"faceid_fast.sources.{name}" for name in ("cameras", "recording", "source"))
"""Of the sources, those that ask a camera, or stand in for one."""


def test_every_public_call_is_made(world: World) -> None:
    public = set()
    for name in faceid_fast.__all__:
        value = getattr(faceid_fast, name)
        if not callable(value) or getattr(value, "_is_protocol", False):
            continue
        if isinstance(value, type) and issubclass(value, (BaseException, StrEnum)):
            continue
        public |= {name, *(f"{name}.{method}" for method in methods_of(value))}
    files = (each.name for each in pkgutil.walk_packages(sources.__path__, f"{sources.__name__}."))
    for module in (importlib.import_module(name) for name in files if not name.startswith(DEVICES)):
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            methods = {f"{name}.{method}" for method in methods_of(value)}
            public |= methods if isinstance(value, type) else {name}
    made = {call.name for call in public_calls(world)}
    assert sorted(public - made - FILLED_BY_THE_PACKAGE - CALLED_BY_OTHERS) == []


def test_harm_is_noticed(world: World) -> None:
    assert world.is_unharmed()
    world.doors["memory"].remove("ada")
    assert not world.is_unharmed()


def methods_of(value: Any) -> list[str]:
    found = inspect.getmembers(value, callable) if isinstance(value, type) else []
    return [name for name, _ in found if not name.startswith("_")]


def named(world: World, *names: str) -> list[Call]:
    return [call for call in public_calls(world) if call.name in names]


def test_an_acceptance_that_is_written_the_other_way_round_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accepts(distance: Any, threshold: Any) -> bool:
        return isinstance(distance, float) and isinstance(threshold, float) and not distance > threshold

    monkeypatch.setattr(decision, "accepts", accepts)
    assert campaign(world, named(world, "accepts"), 500, 2).let_in


def test_a_threshold_that_lets_strangers_in_is_noticed(world: World) -> None:
    thresholds = world.doors["memory"]._thresholds
    thresholds._model = {"infrared": 1.9}
    thresholds.key_limits = {"infrared": KeyLimits(2.0, 2.0)}
    report = campaign(world, named(world, "Authenticator.identify", "Authenticator.verify"), 200, 2)
    assert report.let_in


def test_a_check_left_out_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "checked_instance", lambda _name, given, _kind: given)
    assert campaign(world, named(world, "identify"), 100, 2).untyped


def test_a_message_that_shows_a_face_is_noticed(world: World) -> None:
    def telling(vector: Any) -> None:
        message = f"vector: expected another one, got {vector}"
        raise InvalidInputError(message)

    call = Call("telling", lambda: telling, {"vector": world.stranger.joined[0, :2].tolist()})
    assert campaign(world, [call], 100, 2).telling


def test_memory_that_is_kept_is_noticed(world: World) -> None:
    kept: list[bytes] = []

    def keeping(size: Any) -> None:
        kept.append(b"%d" % isinstance(size, int) * (1 << 20))

    call = Call("keeping", lambda: keeping, {"size": 1})
    assert campaign(world, [call], 200, 2).grown_bytes > GROWTH_BYTES
