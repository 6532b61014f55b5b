"""The module-level functions, on one authenticator for the process, which uses the default vault."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .authenticator import Authenticator

if TYPE_CHECKING:
    from .enrollment.result import Enrollment
    from .frame import Frame
    from .matching.decision import Decision

_authenticator: Authenticator | None = None
_opening = threading.Lock()


def default_authenticator(*, create: bool = False) -> Authenticator:
    """Return the authenticator of the module-level functions, opened at its first use.

    Its vault is in ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``, as the command line's.

    Parameters
    ----------
    create : whether to make the vault if there is none; `enroll` does.

    Raises
    ------
    VaultMissingError
        If there is no vault, and `create` is False.
    """
    global _authenticator  # noqa: PLW0603  # one per process is intended
    with _opening:
        if _authenticator is None:
            _authenticator = Authenticator.open(create=create)
        return _authenticator


def enroll(identity: str, frames: Frame | Iterable[Frame]) -> Enrollment:
    """Enrol a person in the default vault, which is made if it is missing; see `Authenticator.enroll`."""
    return default_authenticator(create=True).enroll(identity, frames)


def verify(frames: Frame | Iterable[Frame], identity: str) -> Decision:
    """Decide whether frames show the person whose identity is claimed (1:1); see `Authenticator.verify`."""
    return default_authenticator().verify(frames, identity)


def identify(frames: Frame | Iterable[Frame]) -> Decision:
    """Decide whether frames show an enrolled person, and which one (1:N); see `Authenticator.identify`."""
    return default_authenticator().identify(frames)


def remove(identity: str) -> None:
    """Remove a person from the default vault; see `Authenticator.remove`."""
    default_authenticator().remove(identity)
