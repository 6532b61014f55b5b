"""``faceid stream``: verify or identify whoever stands before a camera."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer
from rich.live import Live

from faceid_fast.cli.output import JsonOption, check_heard, console, json_lines, plain
from faceid_fast.cli.people import REJECTED, PolicyOption, VaultOption, authenticator, opened
from faceid_fast.errors import InvalidInputError
from faceid_fast.face.crop import NoFace
from faceid_fast.frame import MAX_FRAMES
from faceid_fast.sources.cameras.newest import Newest
from faceid_fast.sources.cameras.reopening import Reopening
from faceid_fast.storage.references import check_identity
from faceid_fast.storage.store import get
from faceid_fast.stream import Rules, watch

from .camera import CameraOption, SettingsOption, opened_source, until
from .verdict import verdict_of

if TYPE_CHECKING:
    from rich.console import Console

    from faceid_fast.stream import Moment

_TITLE: Final = "faceid stream (q: quit)"


class View(Protocol):
    """Shows each moment of a stream."""

    def show(self, moment: Moment, dropped: int) -> bool:
        """Show a moment; returns False if the user has asked to end."""


def stream(
    name: Annotated[str | None, typer.Argument(help="Who it should be; or else --identify.")] = None,
    *,
    source: CameraOption,
    identify: Annotated[bool, typer.Option("--identify", help="Find out who it is.")] = False,
    votes: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_FRAMES, help="Frames of one attempt; most must agree.")
    ] = 5,
    once: Annotated[
        bool, typer.Option("--once", help="End after the first attempt: exit 0 if accepted, else 1.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.1, help="End after this many seconds.")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Show the picture in a window.")] = False,
    option: SettingsOption = None,
    policy: PolicyOption = None,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Verify or identify whoever shows their face to a camera, until it is stopped.

    Each time somebody appears is one attempt; with --json, one line of JSON.
    A camera that drops out is opened again until it answers; meanwhile nobody is accepted.
    """
    if (name is None) != identify:
        message = "expected a NAME or --identify, got " + ("neither" if name is None else "both")
        raise InvalidInputError(message)
    accepted = False
    with ExitStack() as stack:
        people = stack.enter_context(opened(vault))
        auth = authenticator(people, policy=policy)
        if name is not None:
            get(people, check_identity(name))
        screen = console(json_to)
        tell = stack.enter_context(json_lines(json_to))
        view = stack.enter_context(_window() if window else _terminal(screen))
        camera = Reopening(
            lambda: opened_source(source, option),
            told=lambda line: screen.print(plain(line)),
            goes_on=until(timeout),
        )
        frames = stack.enter_context(Newest(camera))
        decide = auth.identify if name is None else lambda given: auth.verify(given, name)
        attempts, turned_deg = 0, 0
        for moment in watch(frames, decide, rules=Rules(votes=votes)):
            check_heard()
            if moment.decision is not None:
                attempts += 1
                accepted = moment.decision.accepted
                screen.print(plain(f"{moment.seconds:7.1f} s  {verdict_of(moment)}"))
                tell(_described(attempts, moment, frames.dropped))
            if isinstance(moment.look, NoFace) and moment.look.turned_deg not in {0, turned_deg}:
                turned_deg = moment.look.turned_deg  # no attempt will say it: there is none
                screen.print(plain(f"{moment.seconds:7.1f} s  {moment.look.reasons[0]}"))
            goes_on = view.show(moment, frames.dropped)
            over = timeout is not None and moment.seconds >= timeout
            if not goes_on or over or (once and attempts):
                break
    if once:
        if not attempts:
            screen.print("rejected: nobody showed their face")
        raise typer.Exit(0 if accepted else REJECTED)


def _described(number: int, moment: Moment, dropped: int) -> dict[str, Any]:
    decision = moment.decision
    assert decision is not None  # noqa: S101  # it is what is described
    return {
        "attempt": number,
        "seconds": round(moment.seconds, 3),
        "accepted": decision.accepted,
        "identity": decision.identity if decision.accepted else None,
        "outcome": decision.outcome,
        "reasons": list(decision.reasons),
        "frames": list(decision.frames),
        "frames_per_s": round(moment.frames_per_s, 1),
        "dropped": dropped,
    }


@contextmanager
def _terminal(screen: Console) -> Iterator[View]:
    """Show one line that changes, on a terminal only."""
    with Live(console=screen, transient=True, auto_refresh=False) as live:
        yield _Line(live if screen.is_terminal else None)


class _Line:
    def __init__(self, live: Live | None) -> None:
        self._live = live

    def show(self, moment: Moment, dropped: int) -> bool:
        if self._live is not None:
            rate = f"{moment.frames_per_s:.0f} frames/s, {dropped} dropped"
            self._live.update(plain(f"{rate}: {verdict_of(moment)}"), refresh=True)
        return True


@contextmanager
def _window() -> Iterator[View]:
    """Show a window, until somebody presses q or closes it."""
    if sys.platform not in {"win32", "darwin"} and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        message = "--window: expected a display, got none: leave it out, and the terminal shows what happens"
        raise InvalidInputError(message)
    import cv2  # noqa: PLC0415  # for those who need it

    try:
        cv2.namedWindow(_TITLE)
    except cv2.error as error:
        message = (
            "--window: expected OpenCV's build with windows, got one without (opencv-python-headless?): "
            "leave it out, and the terminal shows what happens"
        )
        raise InvalidInputError(message) from error
    try:
        yield _Picture()
    finally:
        cv2.destroyWindow(_TITLE)


class _Picture:
    def show(self, moment: Moment, dropped: int) -> bool:
        import cv2  # noqa: PLC0415

        from .window import draw  # noqa: PLC0415

        cv2.imshow(_TITLE, draw(moment, dropped))
        pressed = cv2.waitKey(1) & 0xFF
        return pressed != ord("q") and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1
