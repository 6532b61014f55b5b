"""The module-level functions: one authenticator for the process, on the default vault."""

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
    """Return the authenticator behind the module-level functions, opened at first use.

    Its vault is in ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``: the command line's.

    Parameters
    ----------
    create : whether to make the vault where there is none; `enroll` does.

    Raises
    ------
    VaultMissingError
        If there is none, and none is to be made.
    """
    global _authenticator  # noqa: PLW0603  # one per process is what it is for
    with _opening:
        if _authenticator is None:
            _authenticator = Authenticator.open(create=create)
        return _authenticator


def enroll(identity: str, frames: Frame | Iterable[Frame]) -> Enrollment:
    """Add references of a person to the default vault, made if it is missing; see `Authenticator.enroll`."""
    return default_authenticator(create=True).enroll(identity, frames)


def verify(frames: Frame | Iterable[Frame], identity: str) -> Decision:
    """Decide whether frames show the person they claim to show; see `Authenticator.verify`."""
    return default_authenticator().verify(frames, identity)


def identify(frames: Frame | Iterable[Frame]) -> Decision:
    """Decide whether frames show anybody enrolled, and whom; see `Authenticator.identify`."""
    return default_authenticator().identify(frames)


def remove(identity: str) -> None:
    """Forget a person; see `Authenticator.remove`."""
    default_authenticator().remove(identity)
