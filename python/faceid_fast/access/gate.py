"""The gate: a store's policy against what a program wants. A program may be stricter, never milder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from faceid_fast.checks import checked_instance
from faceid_fast.errors import PolicyError
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.policy import Mode, Policy, VaultPolicy

if TYPE_CHECKING:
    from faceid_fast.storage.security_state import SecurityState
    from faceid_fast.storage.store import ReferenceStore

    from .attempt_limiter import AttemptLimiter

_MODES: Final = tuple(Mode)
_OWN: Final = "the program's own, or limits that are lower"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a program wants of a store, as the arguments of `faceid_fast.Authenticator` have it.

    Attributes
    ----------
    policy : when the credential is asked for; None: as the store says.
    adaptation, lockout, diagnostics, try_turns : the arguments.
    parts : names of the arguments by which the program replaces a part that decides, or lowers a limit.
    """

    policy: Policy | None
    adaptation: Mode
    lockout: bool
    diagnostics: bool
    try_turns: bool
    parts: tuple[str, ...] = ()

    def check(self, policy: VaultPolicy) -> None:
        """Refuse wishes that are milder than the policy of the store.

        Raises
        ------
        PolicyError
            If one is; the message names the argument and the store's policy.
        """
        # A program that asks for nothing gets what the store asks for.
        laxer_policy = self.policy is Policy.DEFAULT and policy.credential is Policy.DOOR
        laxer_mode = _MODES.index(self.adaptation) > _MODES.index(policy.adaptation)
        for is_milder, name, given, asked in (
            (laxer_policy, "policy", self.policy, f"credential={policy.credential}"),
            (not self.lockout and policy.lockout, "lockout", False, "lockout=true"),
            (self.diagnostics and not policy.diagnostics, "diagnostics", True, "diagnostics=false"),
            (laxer_mode, "adaptation", self.adaptation, f"adaptation={policy.adaptation}"),
            (self.try_turns and not policy.turns, "try_turns", True, "turns=false"),
            (bool(self.parts) and not policy.parts, "".join(self.parts[:1]), _OWN, "parts=false"),
        ):
            if is_milder:
                message = (
                    f"{name}: expected nothing milder than the policy of the store, which says {asked}; got "
                    f"{given}: be as strict, or change the policy (Authenticator.set_policy, faceid vault "
                    "policy)"
                )
                raise PolicyError(message)


def set_policy(
    store: ReferenceStore, limiter: AttemptLimiter, policy: VaultPolicy, credential: str | None
) -> None:
    """Change the policy of a store; see `faceid_fast.authenticator.Authenticator.set_policy`."""
    checked_instance("policy", policy, VaultPolicy)
    authority = limiter.authorized(credential)

    def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
        if state.policy == policy:
            return state, ()
        event = Event.now(EventKind.POLICY_SET, None, state.policy.difference(policy))
        # Who is let in changes, as with new references: policy "door" asks for the credential again.
        return replace(state, policy=policy, presence=None), (event,)

    store.amend(amend, authority=authority)
