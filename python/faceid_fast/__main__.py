"""What runs as ``faceid`` and as ``python -m faceid_fast``: the command line, and with what it ends.

Programs read the exit code: a door opens for 0, and 1 says that somebody was rejected. So 1 never means
anything else, and 0 not that a verdict got lost on its way: whatever goes wrong, while libraries are loaded,
while a verb runs, or when the last line is written, ends with 2 and a line on standard error.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

ERROR: Final = 2
INTERRUPTED: Final = 130  # what shells expect of Ctrl-C
REJECTED: Final = 1


def main() -> NoReturn:
    """Run the command line, and end."""
    _take_standard_places()
    code = _run()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        code = ERROR
        _say(f"error: what was said could not be written: {getattr(error, 'strerror', None) or error}")
    except KeyboardInterrupt:
        code = INTERRUPTED
    _let_go()
    sys.exit(code)


def _take_standard_places() -> None:
    """Have no file of ours get the number of a closed standard stream: libraries would write into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which gets the lowest number that is free


def _run() -> int:
    """Run a verb; returns the exit code."""
    if sys.stdout is None:  # closed from the start
        _say("error: standard output: expected it to be open (> /dev/null will do), got it closed")
        return ERROR
    try:
        from faceid_fast.cli.main import ExitCodes, app  # noqa: PLC0415  # what fails here must end with 2 too

        ExitCodes.rejected = False
        app()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else ERROR if done.code else 0
        if code == REJECTED and not ExitCodes.rejected:  # by a library, for a pipe whose other end is closed
            _say("error: standard output: expected it to stay open, got it closed")
            return ERROR
        return code
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except ImportError as error:
        wrong = f"{error.name or 'a library'} cannot be loaded ({error})"
    except OSError as error:
        wrong = str(error)
    else:
        return 0
    _say(f"error: {wrong}")
    return ERROR


def _say(line: str) -> None:
    """Say a line on standard error, if that can be written."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


def _let_go() -> None:
    """Leave nothing that Python would fail to write at its end: it would end with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    main()
