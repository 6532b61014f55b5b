"""The entry point of ``faceid`` and ``python -m faceid_fast``: run the command line, and set the exit code.

Programs read the exit code: a door opens for 0, and 1 means that somebody was rejected. So neither may have
another cause. Any error ends with 2 and a line on standard error, whether it happens while libraries are
loaded, while a verb runs, or when the last line is written.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Final, NoReturn

from faceid_fast.private_files import why

ERROR: Final = 2
INTERRUPTED: Final = 130  # what shells expect of Ctrl-C
REJECTED: Final = 1


def main() -> NoReturn:
    """Run the command line, and exit with its code."""
    code = ERROR
    try:
        _take_standard_places()
        code = _said(_run())
        _let_go()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:  # noqa: BLE001  # Python would end with 1, which says "rejected"
        code = ERROR
        _say(traceback.format_exc().rstrip())
    sys.exit(code)


def _said(code: int) -> int:
    """Flush standard output and return the exit code; that of an error if the output cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        cause = why(error) if isinstance(error, OSError) else error
        _say(f"error: what was said could not be written: {cause}")
        return ERROR
    return code


def _take_standard_places() -> None:
    """Open the null device for every closed standard stream.

    Else the next file that is opened would get the number of the stream, and libraries would write into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number


def _run() -> int:
    """Run a verb, and return the exit code."""
    if sys.stdout is None:  # closed from the start
        _say("error: standard output: expected it to be open (> /dev/null will do), got it closed")
        return ERROR
    try:
        from faceid_fast.cli.main import ExitCodes, app  # noqa: PLC0415  # what fails here must end with 2 too

        ExitCodes.rejected = False
        app()
    except SystemExit as done:
        return _code_of(done)
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except ImportError as error:
        wrong = f"{error.name or 'a library'} cannot be loaded ({error})"
    except OSError as error:
        wrong = str(error)
    except Exception:  # noqa: BLE001  # loading a library can raise anything
        _say(traceback.format_exc().rstrip())
        return ERROR
    else:
        return 0
    _say(f"error: {wrong}")
    return ERROR


def _code_of(done: SystemExit) -> int:
    """Return the exit code of a `SystemExit`; 1 counts only if a verb has set it, not a library."""
    code = done.code if isinstance(done.code, int) else ERROR if done.code else 0
    verbs = getattr(sys.modules.get("faceid_fast.cli.main"), "ExitCodes", None)
    if code in {0, INTERRUPTED} or (code == REJECTED and getattr(verbs, "rejected", False)):
        return code
    if isinstance(done.__context__, OSError):  # from a pipe whose other end is closed
        _say("error: standard output: expected it to stay open, got it closed")
    elif code != ERROR:
        _say(f"error: a library ended the program, with exit code {code}, which is no verdict")
    return ERROR


def _say(line: str) -> None:
    """Write a line to standard error, if possible."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


def _let_go() -> None:
    """Flush the standard streams, and discard what cannot be written.

    Else Python would fail to write it at its end, and exit with a code of its own.
    """
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
