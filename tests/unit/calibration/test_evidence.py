"""Thresholds with evidence: what may be claimed, what is refused, and what a store makes of them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from faceid_fast import Authenticator, InMemoryStore
from faceid_fast.calibration.binomial import shows, upper_rate
from faceid_fast.calibration.evidence import MeasuredThreshold, read
from faceid_fast.calibration.impostor_tail import FALSE_ACCEPT_TARGET, floor, tightened
from faceid_fast.errors import CalibrationError, InvalidInputError, ModelError
from faceid_fast.face.head_model import PREPROCESSING_ID
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.matching.thresholds import Thresholds
from faceid_fast.storage.audit import EventKind
from faceid_fast.storage.security_state import Presence, SecurityState
from faceid_fast.storage.store import Authority, put
from faceid_fast.vault import Vault
from stand_ins import (
    LIVE_LIMITS,
    MODEL_SHA256,
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    at_distance,
    contract,
    for_stand_ins,
    frame_of,
    references,
    unit,
)

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "calibration-1.json"
PEOPLE = 300
PAIRS = PEOPLE * (PEOPLE - 1) // 2


def measured(**changes: Any) -> MeasuredThreshold:
    """Make one that 300 people carry down to 1e-4, with some fields changed."""
    fields: dict[str, Any] = {
        "modality": "infrared",
        "threshold": 0.5,
        "target_far": FALSE_ACCEPT_TARGET,
        "rule": "largest",
        "people": PEOPLE,
        "captures": 3000,
        "trials": 10 * PAIRS,
        "genuine_trials": 1500,
        "person_pairs": PAIRS,
        "matched_person_pairs": 0,
        "fmr": 0.0,
        "fnmr": 0.02,
        "fnmr_interval": (0.01, 0.03),
        "failure_to_acquire": 0.01,
        "data_sha256": "ab" * 32,
        "model_id": "stand-in",
        "model_sha256": MODEL_SHA256,
        "preprocessing_id": PREPROCESSING_ID,
        "made_at": "2026-01-02T03:04:05+00:00",
        "command": "faceid calibrate DIR --target-far 0.0001",
        **changes,
    }
    if "fmr_upper" not in fields:
        fields["fmr_upper"] = upper_rate(fields["matched_person_pairs"], fields["person_pairs"])
    return MeasuredThreshold(**fields)


@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(1e-6, 0.999)
)
def test_what_is_shown_is_what_the_binomial_test_shows(counts: tuple[int, int], rate: float) -> None:
    errors, trials = counts
    fewer = binom.cdf(errors, trials, rate)
    if abs(fewer - 0.05) > 1e-9:
        assert shows(errors, trials, rate) == (fewer <= 0.05)
    upper = upper_rate(errors, trials)
    if errors < trials:
        assert binom.cdf(errors, trials, upper) == pytest.approx(0.05, rel=1e-6)


def test_the_rule_of_three_is_the_test_without_errors() -> None:
    for rate in (0.2, 1e-2, 1e-3, 1e-5):
        trials = math.ceil(3 / rate)
        assert shows(0, trials, rate)
        assert not shows(0, math.floor(0.99 * trials) - 1, rate)
        assert not shows(1, trials, rate)
    for unusable in ((1, 0, 0.1), (2, 1, 0.1), (-1, 3, 0.1), (0, 3, 0.0), (0, 3, 1.0), (0, 3, math.nan)):
        with pytest.raises(InvalidInputError, match="errors, trials, rate"):
            shows(*unusable)


def test_a_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    kept = measured()
    place = tmp_path / "calibration.json"
    place.write_text(kept.to_json())
    assert read(place) == kept
    assert MeasuredThreshold.from_json(kept.to_json()) == kept
    assert "300 people" in kept.summary()
    none = measured(genuine_trials=0, fnmr=None, fnmr_interval=None)
    assert MeasuredThreshold.from_json(none.to_json()) == none


def test_format_1_is_read() -> None:
    assert read(GOLDEN) == measured(preprocessing_id="head-fit-3")


@pytest.mark.parametrize(
    "changes",
    [
        {"modality": "thermal"},
        {"threshold": 0.0},
        {"threshold": 2.0},
        {"threshold": math.nan},
        {"threshold": 1},
        {"target_far": 1.0},
        {"people": 299},
        {"people": True},
        {"captures": 7},
        {"trials": PAIRS - 1},
        {"trials": 1 << 80},
        {"person_pairs": 0, "fmr_upper": 0.1},
        {"person_pairs": PAIRS + 1},
        {"matched_person_pairs": 1},
        {"fmr": 0.1},
        {"fmr": -0.1},
        {"fmr_upper": 0.0},
        {"fmr_upper": 1e-5},
        {"fmr_upper": 1.0},
        {"target_far": 1e-5},
        {"fnmr": None},
        {"fnmr_interval": (0.3, 0.1)},
        {"fnmr_interval": [0.1, 0.3]},
        {"failure_to_acquire": math.inf},
        {"data_sha256": "AB" * 32},
        {"model_sha256": None},
        {"model_id": ""},
        {"command": "a\nb"},
        {"rule": "x" * 1001},
        {"made_at": "yesterday"},
        {"made_at": "2026-01-02T03:04:05"},
        {"schema_version": 2},
        {"schema_version": True},
    ],
)
def test_what_is_no_evidence(changes: dict[str, Any]) -> None:
    with pytest.raises(CalibrationError, match="calibration"):
        measured(**changes)


@given(st.data())
def test_no_changed_file_is_taken(data: st.DataObject) -> None:
    """One byte exchanged, left out or put in: refused, or the very same record."""
    text = measured().to_json()
    at = data.draw(st.integers(0, len(text) - 1))
    put_in = data.draw(st.sampled_from(["", *'0123456789.eE+-"{}[]:, \n\x00abcdefxyzNI\u00e9\ud800']))
    after = data.draw(st.sampled_from([at, at + 1]))
    try:
        found = MeasuredThreshold.from_json(text[:at] + put_in + text[after:])
    except CalibrationError:
        return
    assert found == measured()


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([entry.name for entry in dataclasses.fields(MeasuredThreshold)]), json_values)
def test_no_edited_field_is_taken_unless_it_is_sound(name: str, value: Any) -> None:
    record = json.loads(measured().to_json())
    record.pop("sha256")
    try:
        found = MeasuredThreshold.from_record({**record, name: value})
    except CalibrationError:
        return
    assert shows(found.matched_person_pairs, found.person_pairs, found.target_far)
    assert 0.0 < found.threshold < 2.0
    assert MeasuredThreshold.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"schema_version": 1}', b" " * 70_000]
)
def test_what_is_no_file_of_calibrate(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(content)
    for path in (place, tmp_path, tmp_path / "nothing"):
        with pytest.raises(CalibrationError):
            read(path)
    with pytest.raises(CalibrationError, match="text: expected JSON as a str"):
        MeasuredThreshold.from_json(content)  # type: ignore[arg-type]


def test_the_security_state_keeps_it_and_is_otherwise_as_it_was() -> None:
    presence = Presence("boot", 1.0, 2.0)
    plain = SecurityState(presence=presence, credential="x")
    assert b"adopted" not in plain.encode()
    kept = replace(plain, adopted=(measured(), measured(modality="color")))
    assert SecurityState.decode(kept.encode()) == kept
    assert SecurityState.decode(plain.encode()) == plain
    twice = replace(plain, adopted=(measured(), measured()))
    with pytest.raises(ValueError, match="not what a security state"):
        SecurityState.decode(twice.encode())
    for wrong in (b'"adopted":[7]', b'"adopted":7', b'"adopted":[{}]', b'"other":1'):
        with pytest.raises((ValueError, TypeError)):
            SecurityState.decode(plain.encode()[:-1] + b"," + wrong + b"}")


Stores = Callable[[], Any]


@pytest.fixture(params=["memory", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield InMemoryStore()
        return
    with for_stand_ins(Vault.open(tmp_path / "vault", key=bytes(32), create=True)) as vault:
        yield vault


def door(store: Any, **options: Any) -> Authenticator:
    return Authenticator(
        store=store,
        aligner=StandInAligner().as_aligner(),
        embedder=StandInEmbedder(
            {1: at_distance(0.45), 2: at_distance(0.55), 3: at_distance(0.65)}
        ).as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        lockout=False,
        **options,
    )


def test_what_is_adopted_holds_from_the_next_frame_on(store: Any) -> None:
    put(store, references("ada", unit(0)))
    auth, chosen = door(store), door(store, threshold=0.6)
    assert auth.verify(frame_of(2), "ada").accepted
    door(store).adopt(measured(threshold=0.5))  # by somebody else
    assert not auth.verify(frame_of(2), "ada").accepted
    assert auth.verify(frame_of(1), "ada").accepted
    assert auth.verify(frame_of(1), "ada").threshold == auth.thresholds["infrared"] == 0.5
    assert auth.thresholds["color"] == THRESHOLD
    assert chosen.verify(frame_of(2), "ada").accepted  # who says so himself
    assert store.events()[-1].kind is EventKind.ADOPTED
    assert auth.forget_adopted("infrared")
    assert not auth.forget_adopted("infrared")
    assert auth.verify(frame_of(2), "ada").accepted
    assert store.events()[-1].kind is EventKind.FORGOTTEN


def test_a_looser_one_needs_the_evidence_that_the_model_s_own_has(store: Any) -> None:
    put(store, references("ada", unit(0)))
    auth = door(store)
    weak = measured(threshold=0.7, target_far=2 * FALSE_ACCEPT_TARGET)
    with pytest.raises(CalibrationError, match=r"at most the model's own, 0\.6, unless the evidence"):
        auth.adopt(weak)
    assert not auth.verify(frame_of(3), "ada").accepted
    auth.adopt(replace(weak, threshold=0.6))
    auth.adopt(measured(threshold=0.7))
    assert auth.verify(frame_of(3), "ada").accepted


def test_searches_and_adaptation_go_on_from_it() -> None:
    tail = ((1e-6, 0.3), (1e-5, 0.35), (1e-4, 0.45), (1e-3, 0.55))
    assert tightened(0.2, tail, 10) == 0.2
    assert tightened(0.7, tail, 2) == 0.35  # never looser than the tail allows among several
    for threshold in (0.1, 0.3, 0.45, 0.5, 0.7):
        assert threshold <= floor(threshold, tail) <= max(threshold, 0.55)
    assert floor(0.225, tail) == pytest.approx(0.275)


@pytest.mark.parametrize("changes", [{"model_sha256": "00" * 32}, {"preprocessing_id": "head-fit-2"}])
def test_one_of_another_model_is_refused(store: Any, changes: dict[str, str]) -> None:
    put(store, references("ada", unit(0)))
    auth = door(store)
    foreign = measured(**changes)
    with pytest.raises(ModelError, match="expected a threshold measured with the model"):
        auth.adopt(foreign)
    # Adopted once, and the model was exchanged since: nobody is let in by a threshold that means nothing.
    store.amend(lambda ledger: (replace(ledger, adopted=(foreign,)), ()), authority=Authority(None))
    with pytest.raises(ModelError, match="--forget infrared"):
        auth.verify(frame_of(1), "ada")
    with pytest.raises(ModelError):
        auth.enroll("ben", frame_of(9, "color"))
    assert auth.identities == ("ada",)
    assert door(store).forget_adopted("infrared")
    assert auth.verify(frame_of(1), "ada").accepted


def test_what_cannot_be_adopted() -> None:
    auth = door(InMemoryStore())
    for junk in (None, 0.5, {}, "infrared"):
        with pytest.raises(InvalidInputError, match="measured: expected a MeasuredThreshold"):
            auth.adopt(junk)  # type: ignore[arg-type]
        if junk != "infrared":
            with pytest.raises(InvalidInputError, match="modality: expected infrared or color"):
                auth.forget_adopted(junk)  # type: ignore[arg-type]
    only_color = contract(thresholds={"color": 0.5}, tails={"color": ()})
    limits = Thresholds(InMemoryStore(), only_color, MODEL_SHA256, None)
    with pytest.raises(CalibrationError, match="expected one of the model's, got infrared"):
        limits.adopt(measured(), Authority(None))
    assert list(limits) == ["color"]
    assert len(limits) == 1


def test_the_door_asks_for_the_credential_afterwards(store: Any) -> None:
    store.amend(lambda ledger: (replace(ledger, presence=Presence("boot", 1.0, 1.0)), ()))
    door(store).adopt(measured())
    assert store.amend(lambda ledger: (ledger, ())).presence is None


def test_a_vault_keeps_it_and_shows_it(tmp_path: Path) -> None:
    key = bytes(32)
    with for_stand_ins(Vault.open(tmp_path / "vault", key=key, create=True)) as vault:
        revision = vault.revision()
        door(vault).adopt(measured())
        assert vault.revision() != revision
    written = b"".join(file.read_bytes() for file in (tmp_path / "vault").iterdir())
    assert b"largest" not in written
    with Vault.open(tmp_path / "vault", key=key) as vault:
        assert vault.info().adopted == (measured(),)
        vault.rotate_key(bytes(range(32)))
        vault.check()
        assert vault.info().adopted == (measured(),)
        assert door(vault).thresholds["infrared"] == np.float64(0.5)
