"""The gate: a store's policy against what a program wants. A program may be stricter, never milder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from faceid_fast.checks import checked_instance
from faceid_fast.errors import PolicyError
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.policy import Mode, VaultPolicy

if TYPE_CHECKING:
    from faceid_fast.storage.policy import Policy
    from faceid_fast.storage.security_state import SecurityState
    from faceid_fast.storage.store import ReferenceStore

    from .attempt_limiter import AttemptLimiter

_MODES = tuple(Mode)


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
        if self.policy is not None and self.policy is not policy.credential and policy.credential == "door":
            raise _milder("policy", self.policy, "credential=door")
        if not self.lockout and policy.lockout:
            raise _milder("lockout", "False", "lockout=true")
        if self.diagnostics and not policy.diagnostics:
            raise _milder("diagnostics", "True", "diagnostics=false")
        if _MODES.index(self.adaptation) > _MODES.index(policy.adaptation):
            raise _milder("adaptation", self.adaptation, f"adaptation={policy.adaptation}")
        if self.try_turns and not policy.turns:
            raise _milder("try_turns", "True", "turns=false")
        if self.parts and not policy.parts:
            raise _milder(self.parts[0], "one that is milder or the program's own", "parts=false")


class Gate:
    """Reads and changes the policy of a store.

    Parameters
    ----------
    store : keeps the policy.
    limiter : checks the credential.
    """

    def __init__(self, store: ReferenceStore, limiter: AttemptLimiter) -> None:
        self._store = store
        self._limiter = limiter

    def policy(self) -> VaultPolicy:
        """Return the policy of the store."""
        return self._store.amend(lambda state: (state, ())).policy

    def set_policy(self, policy: VaultPolicy, credential: str | None) -> None:
        """Change the policy of the store, for every program that uses it; durable on return, and logged.

        Raises
        ------
        CredentialError
            If a credential is set and this is another, too many were wrong, or none is set and one is given.
        InvalidInputError
            If `policy` is not a `VaultPolicy`.
        """
        checked_instance("policy", policy, VaultPolicy)
        authority = self._limiter.authorized(credential)

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            if state.policy == policy:
                return state, ()
            event = Event.now(EventKind.POLICY_SET, None, state.policy.difference(policy))
            # Who is let in changes, as with new references: policy "door" asks for the credential again.
            return replace(state, policy=policy, presence=None), (event,)

        self._store.amend(amend, authority=authority)


def _milder(name: str, given: object, asked: str) -> PolicyError:
    return PolicyError(
        f"{name}: expected nothing milder than the policy of the store, which says {asked}; got {given}: be as "
        "strict, or change the policy (Authenticator.set_policy, faceid vault policy)"
    )
