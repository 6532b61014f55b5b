"""Frames of live cameras: of one camera, in order, young, and used once in all programs of a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import InvalidInputError, PolicyError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Capture, Frame, captured
from faceid_fast.outcome import Outcome
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.policy import VaultPolicy
from stand_ins import LIVE_LIMITS, StandInAligner, StandInEmbedder, Time, frame_of, permit, takes_of

ADA = 1


def door(store: Any, now: Time, **options: Any) -> Authenticator:
    auth = Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        **options,
    )
    auth._limiter.clock = now
    return auth


def shown(frames: Sequence[Frame], ages_s: Sequence[float], now: Time, source: str = "cam:1") -> list[Frame]:
    return [
        captured(frame, Capture(source, now.seconds - age)) for frame, age in zip(frames, ages_s, strict=True)
    ]


def test_young_frames_of_one_camera_unlock_once() -> None:
    now, store = Time(), InMemoryStore()
    auth, other = door(store, now), door(store, now)
    auth.enroll("ada", frame_of(ADA))
    frames = shown(takes_of(ADA, 3), (0.3, 0.2, 0.1), now)
    assert auth.verify(frames, "ada").accepted
    for again in (auth, other):  # nor in another program of the store
        assert again.verify(frames, "ada").outcome is Outcome.STALE
        assert again.identify(frames[:1]).outcome is Outcome.STALE


def test_a_frame_that_was_used_is_known_however_long_the_next_attempt_looks_at_it() -> None:
    now, store = Time(), InMemoryStore()
    auth, slow = door(store, now), door(store, now)
    auth.enroll("ada", frame_of(ADA))
    frame, other = takes_of(ADA, 2)
    used = shown([frame], [0.0], now)
    assert auth.verify(used, "ada").accepted
    now.seconds += 1.9  # still young when the slow attempt begins

    def look(*given: Any) -> Any:
        now.seconds += 1.0
        assert auth.verify(shown([other], [0.1], now), "ada").accepted  # which forgets what is old
        return looked(*given)

    looked = slow._stages.pipeline.look_at_sequence
    slow._stages.pipeline.look_at_sequence = look  # type: ignore[method-assign]
    assert slow.verify(used, "ada").outcome is Outcome.STALE


@pytest.mark.parametrize("ages_s", [(2.1, 0.2, 0.1), (0.1, 0.2, 0.3), (0.2, 0.2, 0.1), (0.2, 0.1, -0.1)])
def test_old_or_disordered_frames_are_stale(ages_s: tuple[float, ...]) -> None:
    now, store = Time(), InMemoryStore()
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    assert auth.verify(shown(takes_of(ADA, 3), ages_s, now), "ada").outcome is Outcome.STALE


def test_frames_of_several_cameras_are_stale_and_of_none_unproven() -> None:
    now, store = Time(), InMemoryStore()
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    first, second, third = takes_of(ADA, 3)
    mixed = [*shown([first], [0.2], now), *shown([second], [0.1], now, "cam:2")]
    assert auth.verify(mixed, "ada").outcome is Outcome.STALE
    assert auth.verify([first, second, third], "ada").accepted  # files, which the policy lets unlock
    permit(store, unproven=False, cameras=("cam:1",))
    assert auth.verify([first, second, third], "ada").outcome is Outcome.UNPROVEN
    assert auth.verify([*shown([first], [0.2], now), second], "ada").outcome is Outcome.UNPROVEN
    assert auth.verify(shown([first], [0.1], now, "cam:2"), "ada").outcome is Outcome.UNPROVEN
    assert auth.verify(shown([third], [0.1], now), "ada").accepted


@pytest.mark.parametrize(
    ("policy", "option"),
    [
        ({"credential": "door"}, {"policy": "default"}),
        ({"lockout": True}, {"lockout": False}),
        ({"diagnostics": False}, {"diagnostics": True}),
        ({"adaptation": "confirmed"}, {"adaptation": "anchored"}),
        ({"turns": False}, {}),  # the default tries them
    ],
)
def test_a_program_that_is_milder_is_refused_also_while_it_runs(
    policy: dict[str, Any], option: dict[str, Any]
) -> None:
    now, store = Time(), InMemoryStore()
    running = door(store, now, **option)
    running.enroll("ada", frame_of(ADA))
    permit(store, **policy)
    name, value = next(iter(policy.items()))
    said = f"the policy of the store, which says {name}={str(value).lower()}"
    for use in (
        lambda: running.verify(frame_of(ADA), "ada"),
        lambda: running.identify(frame_of(ADA)),
        lambda: running.enroll("ben", frame_of(2)),
        lambda: door(store, now, **option),
    ):
        with pytest.raises(PolicyError, match=said):
            use()


def test_parts_and_thresholds_of_a_program_need_the_leave_of_the_store() -> None:
    now, store = Time(), InMemoryStore()
    running = door(store, now)
    permit(store, parts=False)
    with pytest.raises(PolicyError, match=r"aligner: .* parts=false"):
        running.verify(frame_of(ADA), "ada")
    with pytest.raises(PolicyError, match="threshold: expected at most"):
        Authenticator(store=store, threshold=1.9)
    assert Authenticator(store=store, threshold=0.1).policy.parts is False


def test_the_policy_changes_with_the_credential_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from faceid_fast.access import credential

    monkeypatch.setattr(credential, "_MEMORY_KIB", 64)
    now, store = Time(), InMemoryStore()
    auth = door(store, now)
    auth.set_credential("2468")
    wanted = VaultPolicy.for_doors()
    for given in (None, "1357"):
        with pytest.raises(PermissionError):
            auth.set_policy(wanted, credential=given)
    assert auth.policy != wanted
    auth.set_policy(wanted, credential="2468")
    assert auth.policy == wanted
    assert store.events()[-1].detail == auth.policy.permissive().difference(wanted)
    with pytest.raises(PolicyError, match="amend: expected the credential"):
        permit_without(store)


def permit_without(store: InMemoryStore) -> None:
    from dataclasses import replace

    store.amend(lambda state: (replace(state, policy=VaultPolicy()), ()))


def test_what_is_no_policy() -> None:
    for wrong in ({"cameras": ("cam:1",)}, {"lockout": 1}, {"credential": "window"}):
        with pytest.raises(InvalidInputError, match=r"policy\."):
            VaultPolicy(**wrong)
    assert VaultPolicy.from_record(VaultPolicy.for_doors().to_record()) == VaultPolicy.for_doors()
