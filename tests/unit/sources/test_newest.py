from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable

import pytest

from faceid_fast.errors import SourceError
from faceid_fast.frame import Capture, Frame
from faceid_fast.sources.cameras import base
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.cameras.newest import Newest
from stand_ins import frame_of


class Hand(Source):
    """Gives frames when a test says so, or what to raise."""

    name = "hand"
    origin: str | None = "hand:7"

    def __init__(self, frames: Iterable[Frame | BaseException], *, live: bool = True) -> None:
        self.live = live
        self._frames = iter(frames)
        self.go = threading.Semaphore(0)
        self.read = threading.Semaphore(0)
        self.released = 0

    def _read(self) -> Frame | None:
        self.read.release()  # whatever came before has been put down
        if self.live:
            self.go.acquire()
        item = next(self._frames, None)
        if isinstance(item, BaseException):
            raise item
        return item

    def _release(self) -> None:
        self.released += 1

    def give(self, count: int) -> None:
        """Let so many frames come, and return when the last has been put down."""
        for _ in range(count):
            self.go.release()
            self.read.acquire()


def code(frame: Frame) -> int:
    return int(frame.picture.flat[0])


def test_stale_frames_are_dropped_and_counted() -> None:
    hand = Hand(map(frame_of, range(1, 6)))
    with Newest(hand) as newest:
        hand.read.acquire()
        hand.give(3)
        assert code(next(newest)) == 3
        assert newest.dropped == 2
        hand.give(1)
        assert code(next(newest)) == 4
        assert newest.dropped == 2
        hand.give(1)
        hand.go.release()  # the end
        assert [code(frame) for frame in newest] == [5]
    assert (hand.released, newest.dropped, newest.name) == (1, 2, "hand")


def test_a_frame_that_waited_says_when_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(base, "since_boot_s", lambda: now[0])
    hand = Hand(map(frame_of, range(1, 4)))
    with Newest(hand) as newest:
        assert newest.origin == "hand:7"
        hand.read.acquire()
        hand.give(1)
        now[0] = 3610.0
        assert next(newest).capture == Capture("hand:7", 10.0)
        hand.give(1)
        hand.origin = "hand:8"  # another one was plugged in, and has given nothing yet
        assert next(newest).capture == Capture("hand:7", 3610.0)
        assert newest.origin == "hand:7"
        hand.go.release(2)


@pytest.mark.parametrize(("live", "origin"), [(False, "hand:7"), (True, None)])
def test_what_is_no_camera_or_does_not_say_which_proves_nothing(live: bool, origin: str | None) -> None:
    hand = Hand([frame_of(1)], live=live)
    hand.origin = origin
    hand.go.release(2)
    with Newest(hand) as newest:
        assert [frame.capture for frame in newest] == [None]


def test_what_the_camera_raises_comes_after_what_it_gave() -> None:
    hand = Hand([frame_of(1), SourceError("hand: gone"), frame_of(2)])
    with Newest(hand) as newest:
        hand.go.release(2)
        assert code(next(newest)) == 1
        for _ in range(2):
            with pytest.raises(SourceError, match="hand: gone"):
                next(newest)
    assert hand.released == 1


def test_closing_waits_for_a_read_to_end() -> None:
    hand = Hand(map(frame_of, range(1, 4)))
    newest = Newest(hand)
    hand.read.acquire()
    closing = threading.Thread(target=newest.close)
    closing.start()
    closing.join(0.05)
    assert (closing.is_alive(), hand.released) == (True, 0)
    hand.go.release()
    closing.join()
    assert hand.released == 1


def test_files_wait() -> None:
    hand = Hand(map(frame_of, range(1, 6)), live=False)
    with Newest(hand) as newest:
        assert not hand.read.acquire(timeout=0.05)  # until they are asked for
        assert [code(frame) for frame in newest] == [1, 2, 3, 4, 5]
    assert newest.dropped == 0


def test_a_reader_in_another_thread_is_told_at_once_that_it_was_closed() -> None:
    """Not only with the camera's next frame, which may never come."""
    waits = threading.Event()

    class Silent(Source):
        name = "silent"

        def _read(self) -> Frame | None:
            waits.wait(20)
            return None

        def _release(self) -> None:
            pass

    newest = Newest(Silent())
    ended = threading.Event()

    def read() -> None:
        with contextlib.suppress(StopIteration, SourceError):
            next(newest)
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    closing = threading.Thread(target=newest.close)
    closing.start()
    assert ended.wait(2)
    waits.set()
    closing.join()
    reader.join()
