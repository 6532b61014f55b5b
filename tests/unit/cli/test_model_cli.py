"""``faceid model``: a network of one's own in a vault, from its adoption to its end."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from command_line import faceid, lay_out
from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import CalibrationError, ModelError, OtherModelWarning, PolicyError
from faceid_fast.face.combined_embedder import CombinedEmbedder, PictureNetwork
from faceid_fast.face.embedder import Embedder
from faceid_fast.matching.pinned import embedder_of, pin, pinned_in, unpin
from faceid_fast.sources.recognized import shots_at
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.security_state import SecurityState
from faceid_fast.storage.store import Authority
from faceid_fast.vault import Vault, erase
from foreign_networks import tiny_network

ASKED = ("--size", "112", "--order", "rgb", "--template", "arcface", "--mean", "127.5", "--scale", "0.0078")


class World(NamedTuple):
    place: Path
    vault: Path

    @property
    def at(self) -> tuple[str, Path]:
        return "--vault", self.vault

    def adopt(self, *more: object, given: str | None = None) -> Any:
        return faceid("model", "adopt", self.place / "network.onnx", *ASKED, *self.at, *more, given=given)

    def kept(self) -> list[Path]:
        return sorted(self.vault.glob("model-*"))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("world")
    lay_out(place)
    return place


@pytest.fixture
def world(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("FACEID_KEY_FILE", str(frames / "key"))
    return World(frames, tmp_path / "vault")


@pytest.fixture
def adopted(world: World) -> World:
    done = world.adopt()
    assert done.exit_code == 0, done.output
    return world


@pytest.fixture
def opened(adopted: World) -> Iterator[Vault]:
    with Vault.open(adopted.vault) as vault:
        yield vault


def calibrated(world: World, out: Path) -> None:
    asked = ("calibrate", world.place / "captures", "--target-far", "0.7", "--out", out, *world.at)
    done = faceid(*asked)
    assert done.exit_code == 0, done.output
    done = faceid("vault", "adopt", out, *world.at)
    assert done.exit_code == 0, done.output


def test_a_network_serves_from_adoption_to_the_last_verification(adopted: World, tmp_path: Path) -> None:
    (file,) = adopted.kept()
    assert file.read_bytes() == (adopted.place / "network.onnx").read_bytes()
    assert os.name != "posix" or stat.S_IMODE(file.stat().st_mode) == 0o600

    # Nobody is enrolled, verified or identified before a threshold was measured.
    frames = adopted.place / "ada-enroll"
    for verb in (("enroll", "ada", frames), ("identify", frames)):
        refused = faceid(*verb, *adopted.at)
        assert refused.exit_code == 2
        assert "error: threshold: expected one for" in refused.stderr
        assert "has none of its own, so calibrate it in this vault first" in refused.stderr

    calibrated(adopted, tmp_path / "calibration.json")
    record = json.loads((tmp_path / "calibration.json").read_text())
    shown = json.loads(faceid("model", "show", *adopted.at, "--json", "-").stdout)["model"]
    assert record["model_sha256"] == shown["combined_sha256"]
    assert f"--vault {adopted.vault}" in record["command"]
    assert (shown["mean"], shown["template"], shown["values"]) == ([127.5] * 3, "arcface", 8)

    # A random network tells poses apart as well as people: of the frames themselves it is sure.
    assert faceid("enroll", "ada", frames, "--strangers", "keep", *adopted.at).exit_code == 0
    assert faceid("verify", "ada", frames, *adopted.at).exit_code == 0
    stranger = faceid("verify", "ada", adopted.place / "cleo-probe", *adopted.at)
    assert stranger.exit_code == 1, stranger.output
    info = json.loads(faceid("vault", "info", *adopted.at, "--json", "-").stdout)
    assert info["models"] == [shown["combined_sha256"]]

    # Its end: the threshold and the references of the other model are refused, one after the other.
    assert faceid("model", "forget", *adopted.at).exit_code == 0
    assert adopted.kept() == []
    verify = ("verify", "ada", adopted.place / "ada-probe", *adopted.at)
    with pytest.warns(OtherModelWarning):
        refused = faceid(*verify)
    assert refused.exit_code == 2
    assert f"--forget {record['modality']}" in refused.stderr
    with pytest.warns(OtherModelWarning):
        assert faceid("vault", "adopt", "--forget", record["modality"], *adopted.at).exit_code == 0
    with pytest.warns(OtherModelWarning):
        refused = faceid(*verify)
    assert refused.exit_code == 2
    assert "references of 'ada': expected those of the model" in refused.stderr

    events = [
        event["what"] for event in json.loads(faceid("audit", *adopted.at, "--json", "-").stdout)["events"]
    ]
    assert events[0] == "model_adopted"
    assert "model_forgotten" in events


def test_who_was_enrolled_before_is_named_and_refused(world: World) -> None:
    assert faceid("enroll", "ada", world.place / "ada-enroll", *world.at).exit_code == 0
    done = world.adopt("--json", "-")
    assert (done.exit_code, json.loads(done.stdout)["people_to_enrol"]) == (0, 1)
    with Vault.open(world.vault) as vault, pytest.warns(OtherModelWarning, match="references of 1 people"):
        Authenticator(store=vault)


def test_it_needs_the_credential_if_there_is_one(world: World) -> None:
    assert faceid("credential", "set", *world.at, given="a long phrase\n" * 2).exit_code == 0
    for given, exit_code in (("another phrase\n", 2), ("a long phrase\n", 0)):
        done = world.adopt(given=given)
        assert done.exit_code == exit_code, done.output
        assert len(world.kept()) == (exit_code == 0)
    for given, exit_code in (("another phrase\n", 2), ("a long phrase\n", 0)):
        done = faceid("model", "forget", *world.at, given=given)
        assert done.exit_code == exit_code, done.output
        assert len(world.kept()) == (exit_code != 0)


def test_a_file_that_is_gone_or_changed_is_refused_by_every_verb(adopted: World) -> None:
    (file,) = adopted.kept()
    content = file.read_bytes()
    frames = adopted.place / "ada-probe"
    for damage, part in (
        (lambda: file.write_bytes(content[:-1] + bytes([content[-1] ^ 1])), "expected SHA-256"),
        (file.unlink, "not readable"),
    ):
        damage()
        for verb in (("model", "show"), ("identify", frames), ("enroll", "ada", frames), ("unlock",)):
            refused = faceid(*verb, *adopted.at)
            assert refused.exit_code == 2
            assert f"error: {file}: {part}" in refused.stderr, refused.stderr
            assert "adopt" in refused.stderr
    # The same file, adopted again, is all that it takes; and nothing else of the vault was touched.
    assert adopted.adopt().exit_code == 0
    assert faceid("model", "show", *adopted.at).exit_code == 0
    events = json.loads(faceid("audit", *adopted.at, "--json", "-").stdout)["events"]
    assert [event["what"] for event in events] == ["model_adopted"]


def test_a_file_of_somebody_else_s_is_not_read(adopted: World) -> None:
    if os.name != "posix":
        pytest.skip("modes are POSIX's")
    (file,) = adopted.kept()
    file.chmod(0o644)
    refused = faceid("model", "show", *adopted.at)
    assert refused.exit_code == 2
    assert "closed to others" in refused.stderr


def test_another_network_takes_the_place_of_the_first(adopted: World, tmp_path: Path) -> None:
    (first,) = adopted.kept()
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny_network(seed=1))
    assert faceid("model", "adopt", other, *ASKED, "--id", "the other", *adopted.at).exit_code == 0
    (second,) = adopted.kept()
    assert second != first
    assert (
        json.loads(faceid("model", "show", *adopted.at, "--json", "-").stdout)["model"]["model_id"]
        == "the other"
    )


def test_the_vault_takes_the_file_with_it(adopted: World) -> None:
    erase(adopted.vault)
    assert list(adopted.vault.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--size", "100"), "size_px: expected 112 or 128 or 150, got 100"),
        (("--mean", "a"), "--mean: expected one number, or three with commas"),
        (("--mean", "1,2"), "--mean: expected one number, or three with commas"),
        (("--scale", "0"), "scale: expected"),
        (("--output", "none"), "output_name: expected one of vector"),
        (("--id", "x" * 201), "model_id: expected 1 to 200"),
    ],
)
def test_what_is_asked_wrongly_makes_no_vault(world: World, arguments: tuple[str, str], part: str) -> None:
    refused = world.adopt(*arguments)
    assert refused.exit_code == 2
    assert f"error: {part}" in refused.stderr or f"network: {part}" in refused.stderr
    assert not world.vault.exists()


def test_no_network_at_all(world: World) -> None:
    assert faceid("enroll", "ada", world.place / "ada-enroll", *world.at).exit_code == 0
    assert json.loads(faceid("model", "show", *world.at, "--json", "-").stdout) == {"model": None}
    assert faceid("model", "forget", *world.at).stdout == "the vault pinned none\n"
    refused = faceid("model", "adopt", world.place / "ada-enroll" / "nothing.onnx", *ASKED, *world.at)
    assert refused.exit_code == 2
    assert "not readable" in refused.stderr


# --- programs


def tiny(seed: int = 0) -> CombinedEmbedder:
    wanted = {"model_id": "tiny", "size_px": 112, "order": "rgb", "template": "arcface"}
    network = PictureNetwork.described(
        tiny_network(seed=seed),
        mean=(0.0,) * 3,
        scale=(1.0,) * 3,
        **wanted,  # type: ignore[arg-type]
    )
    return CombinedEmbedder(network)


def test_a_program_gets_the_pinned_model_and_no_other(opened: Vault) -> None:
    auth = Authenticator(store=opened)
    assert dict(auth.thresholds) == {}
    for wrong in (Embedder.bundled(), tiny()):
        with pytest.raises(ModelError, match=r"embedder: expected the model that the store pins, 'network'"):
            Authenticator(store=opened, embedder=wrong)
    pinned = embedder_of(opened)
    assert Authenticator(store=opened, embedder=pinned).thresholds == {}


def test_a_program_s_own_threshold_is_taken(adopted: World) -> None:
    with pytest.raises(PolicyError, match="since the model has none of its own"):
        Authenticator.open(adopted.vault, threshold=0.3)
    assert faceid("vault", "policy", "parts=true", "--vault", adopted.vault).exit_code == 0
    with Authenticator.open(adopted.vault, threshold=0.3) as auth:
        assert dict(auth.thresholds) == {"color": 0.3, "infrared": 0.3}


def test_another_bundled_model_is_refused(opened: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Embedder.bundled(), "_sha256", "ab" * 32)
    for use in (embedder_of, lambda store: Authenticator(store=store)):
        with pytest.raises(ModelError, match="expected the model that the store pins"):
            use(opened)


def test_a_store_without_files_needs_the_embedder() -> None:
    store = InMemoryStore()
    embedder = tiny()
    pin(store, embedder, Authority(None))
    with pytest.raises(ModelError, match="expected the model that the store pins, 'tiny', got none"):
        Authenticator(store=store)
    Authenticator(store=store, embedder=embedder)


def test_a_running_program_notices(world: World) -> None:
    (frame,) = [shot.read() for shot in shots_at(world.place / "ada-probe")][:1]
    store = InMemoryStore()
    for running in (Authenticator(store=store), Authenticator(store=store, threshold=0.5)):
        pin(store, tiny(), Authority(None))
        with pytest.raises(ModelError, match="open the store anew"):
            running.identify(frame)
        with pytest.raises(ModelError, match="open the store anew"):
            running.enroll("ada", frame)
        unpin(store, Authority(None))
        running.enroll("ada", frame, replace=True)  # the bundled model serves again
    pin(store, tiny(), Authority(None))
    with pytest.warns(OtherModelWarning):
        running = Authenticator(store=store, embedder=tiny())
    with pytest.raises(CalibrationError, match="calibrate it in this vault first"):
        running.identify(frame)
    unpin(store, Authority(None))
    with pytest.raises(ModelError, match="expected the store to pin the model that it did, got none"):
        running.identify(frame)


# --- what is kept


def test_a_state_without_a_model_has_the_bytes_of_before() -> None:
    assert SecurityState().encode() == b'{"tallies":{},"presence":null,"credential":null}'


def test_a_pinned_model_comes_back(opened: Vault) -> None:
    pinned = pinned_in(opened)
    assert pinned is not None
    state = SecurityState(model=pinned)
    assert SecurityState.decode(state.encode()) == state
    record = json.loads(state.encode())
    for wrong in (
        None,
        [],
        {},
        {**record["model"], "more": 1},
        {**record["model"], "sha256": "x"},
        {**record["model"], "contract": "x" * 5000},
        {**record["model"], "model_id": 7},
    ):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            SecurityState.decode(json.dumps({**record, "model": wrong}).encode())
