"""A door: look at whoever stands there, open for whoever is enrolled, stay shut in every other case.

    python examples/door_lock.py

Nothing is attached here: rendered people come by, the PIN is typed by itself, and the relay is a line of
text. For a door of your own replace `visitors`, `keypad` and `relay`, and open the vault that you enrolled
people in (`Vault.open()`).
"""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator

from faceid_fast import Authenticator, FaceIDError, Frame, Vault
from faceid_fast.sources.renders import bundled_renders

PIN = "2468"
Visit = tuple[str | None, list[Frame]]
"""Who somebody says to be (by a card, say; None: nobody in particular), and a few frames of their face."""

log = logging.getLogger("door")


def serve(auth: Authenticator, visits: Iterable[Visit], open_door: Callable[[str], None]) -> None:
    """Decide about every visit: one attempt each, however many frames it has."""
    for claimed, frames in visits:
        try:
            decision = auth.identify(frames) if claimed is None else auth.verify(frames, claimed)
        except FaceIDError:  # nobody of that name, a damaged vault, a broken model: shut, and told
            log.exception("the door stays shut")
            continue
        if decision.accepted and decision.identity is not None:
            open_door(decision.identity)
        else:
            print(f"shut: {decision.outcome} ({'; '.join(decision.reasons)})")


def visitors() -> Iterator[Visit]:
    """Instead of a camera: everybody's probes, a flat print of ada, and ben with ada's card."""
    looks = [render for render in bundled_renders() if render.kind != "enroll"]
    for person, kind in (("ada", "probe"), ("ada", "print"), ("ben", "probe"), ("cleo", "probe")):
        yield None, [look.read() for look in looks if (look.person, look.kind) == (person, kind)]
    yield "ada", [look.read() for look in looks if look.person == "ben"]


def keypad(reason: str) -> str | None:
    """Ask for the PIN, saying why; None where nobody types one."""
    print(f"PIN, please: {reason}")
    return PIN


def relay(name: str) -> None:
    """Let somebody in: close a contact for some seconds."""
    print(f"open for {name}")


if __name__ == "__main__":
    key = secrets.token_bytes(32)
    with tempfile.TemporaryDirectory() as place, Vault.open(place, key=key, create=True) as vault:
        door = Authenticator(store=vault, policy="door", ask_credential=keypad)
        door.set_credential(PIN)
        for name in ("ada", "ben"):
            enrolled = [r for r in bundled_renders() if (r.person, r.kind) == (name, "enroll")]
            door.enroll(name, [render.read() for render in enrolled])
        serve(door, visitors(), relay)
