"""A panic of the core is a typed error without its message; what it left half-changed is not used."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from faceid_fast.errors import FaceIDError, InternalError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
AXES = np.eye(4, dtype=np.float32)
FACE = "0.123"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an extension is linked in other ways"),
    pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo, which builds what panics"),
]


@pytest.fixture(scope="module")
def faults() -> Any:
    """The files of the binding, built with calls that panic. Takes minutes the first time."""
    command = ["cargo", "build", "-p", "faceid-py", "--example", "faults", "--profile", "test", "--locked"]
    settings = {"PYO3_PYTHON": sys.executable, "PYO3_BUILD_EXTENSION_MODULE": "1"}
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=True, capture_output=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    loader = importlib.machinery.ExtensionFileLoader("faults", str(target / "debug/examples/libfaults.so"))
    spec = importlib.util.spec_from_loader("faults", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def gallery(faults: Any) -> Any:
    made = faults.Gallery(4)
    made.add("ada", AXES[:2])
    return made


def test_a_panic_is_a_typed_error_without_its_message(faults: Any, capfd: pytest.CaptureFixture[str]) -> None:
    for call in (faults.fail, lambda: faults.convert(None)):
        with pytest.raises(InternalError, match="please report it") as caught:
            call()
        assert isinstance(caught.value, FaceIDError)
        assert isinstance(caught.value, RuntimeError)
        assert FACE not in str(caught.value)
    shown = capfd.readouterr().err
    assert shown.count("a fault in its core at rust/python/examples/faults.rs:") == 2
    assert FACE not in shown


EVERY_CALL: dict[str, Callable[[Any], object]] = {
    "add": lambda gallery: gallery.add("bob", AXES[2]),
    "replace": lambda gallery: gallery.replace("ada", AXES[2]),
    "remove": lambda gallery: gallery.remove("ada"),
    "nearest": lambda gallery: gallery.find_nearest(AXES, 1, None),
    "within": lambda gallery: gallery.find_within(AXES, 1.0, None),
    "best_identity": lambda gallery: gallery.find_best_identity(AXES, None, None),
    "distance_to": lambda gallery: gallery.distance_to("ada", AXES[0]),
    "names_of": lambda gallery: gallery.names_of(np.array([0])),
    "to_bytes": lambda gallery: gallery.to_bytes(),
    "len": len,
    "in": lambda gallery: "ada" in gallery,
    "identities": lambda gallery: gallery.identities,
    "nbytes": lambda gallery: gallery.nbytes,
    "code_nbytes": lambda gallery: gallery.code_nbytes,
    "backend": lambda gallery: gallery.backend,
}


def test_a_gallery_whose_change_ended_half_way_answers_nothing_any_more(faults: Any, gallery: Any) -> None:
    written = gallery.to_bytes()
    with pytest.raises(InternalError, match="please report it"):
        faults.change_half(gallery)
    for _ in range(2):
        for call in (*EVERY_CALL.values(), faults.change_half):
            with pytest.raises(InternalError, match="make the gallery anew") as caught:
                call(gallery)
            assert FACE not in str(caught.value)
    assert gallery.dim == 4
    for call in EVERY_CALL.values():
        call(type(gallery).from_bytes(written))


def test_every_call_of_a_gallery_is_among_them(gallery: Any) -> None:
    public = {name for name in vars(type(gallery)) if not name.startswith("_")}
    made_anew = {"from_arrays", "from_bytes", "open"}
    assert {name.removeprefix("find_") for name in public - made_anew} == EVERY_CALL.keys() - {
        "len",
        "in",
    } | {"dim"}


def test_other_threads_are_told_too(faults: Any, gallery: Any) -> None:
    ended: list[type[BaseException]] = []

    def asks() -> None:
        end = time.monotonic() + 10.0
        try:
            while time.monotonic() < end:
                gallery.find_nearest(AXES, 1, None)
        except BaseException as error:  # noqa: BLE001  # a panic is no Exception
            ended.append(type(error))

    threads = [threading.Thread(target=asks) for _ in range(3)]
    for thread in threads:
        thread.start()
    with pytest.raises(InternalError):
        faults.change_half(gallery)
    for thread in threads:
        thread.join()
    assert ended == [InternalError] * 3


def test_what_is_wrong_with_an_argument_is_still_said(faults: Any, gallery: Any) -> None:
    with pytest.raises(InvalidInputError, match="identity"):
        gallery.add("", AXES[0])
    with pytest.raises(TypeError, match="depth"):
        faults.register_depth(None, 1.0, (1.0,) * 4, (1.0,) * 4, [[0.0] * 3] * 3, [0.0] * 3, (1, 1))
