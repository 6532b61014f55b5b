"""Does the frame show the user who logs in? The exit code says: 0 accepted, 1 rejected, 2 error.

    python examples/pam_check.py [NAME] --frames FRAMES [--vault DIR]

NAME is PAM_USER where it is left out. FRAMES is a frame's file or a folder, which whatever drives the camera
has just written, and nobody else can write to; together they are one attempt. A line for ``/etc/pam.d`` (the
password stays: with every code but 0 it is asked for):

    auth sufficient pam_exec.so quiet /usr/local/bin/pam_check --frames /run/faceid --vault /var/lib/faceid

`pam_exec` passes on no environment but PAM's own, so name the vault. After too many failures faces are
refused for a while; once the password was right, ``faceid unlock NAME`` forgets the failures.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback

ACCEPTED, REJECTED, ERROR = 0, 1, 2


def check(name: str, frames: str, vault: str | None) -> int:
    """Ask once; return the exit code."""
    # Loaded here, where a library that does not load is no rejection.
    from faceid_fast import Authenticator, Vault  # noqa: PLC0415
    from faceid_fast.sources.recognized import shots_at  # noqa: PLC0415

    with Vault.open(vault) as people:
        decision = Authenticator(store=people).verify([shot.read() for shot in shots_at(frames)], name)
    return ACCEPTED if decision.accepted else REJECTED


def main() -> int:
    """Read the command line; whatever goes wrong is an error, never a verdict."""
    parser = argparse.ArgumentParser(description="Check a face for PAM.")
    parser.add_argument("name", nargs="?", default=os.environ.get("PAM_USER"))
    parser.add_argument("--frames", required=True)
    parser.add_argument("--vault")
    given = parser.parse_args()
    if not given.name:
        parser.error("NAME: expected one, or PAM_USER in the environment, got none")
    try:
        return check(given.name, given.frames, given.vault)
    except Exception as error:  # noqa: BLE001  # Python would exit with 1, which says "rejected"
        with contextlib.suppress(OSError):  # nobody may be listening
            explain(error)
    return ERROR


def explain(error: Exception) -> None:
    """Say what this package refuses in a line; of a bug, where it was."""
    if type(error).__module__ == "faceid_fast.errors":
        print(f"error: {error}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(error)


if __name__ == "__main__":
    sys.exit(main())
