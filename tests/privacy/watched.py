"""A program under strace: which sockets it opened, and which files it wrote."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_CALLS = (
    *("socket", "open", "openat", "creat", "mkdir", "mkdirat", "mknod", "mknodat", "truncate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
)
_SOCKET = re.compile(r"socket\((AF_\w+)")
_LOCAL = frozenset(("AF_UNIX", "AF_NETLINK"))
_NAMES = re.compile(r'(?:AT_FDCWD<([^>]*)>|\d+<([^>]*)>)?(?:, )?"((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_CREAT|O_WRONLY|O_RDWR|O_TRUNC")
_READS_ONLY = frozenset(("open", "openat"))
_NO_DISK = ("/dev/null", "/dev/tty", "/dev/shm/sem.", "/proc/", "/dev/bus/usb", "/sys/")  # noqa: S108


@dataclass(frozen=True)
class Watched:
    """What a program did.

    Attributes
    ----------
    ended : its exit code.
    said : on standard output and error.
    sockets : system calls that opened one that is not local.
    written : paths that were made, opened for writing, renamed or linked.
    """

    ended: int
    said: str
    sockets: tuple[str, ...]
    written: tuple[str, ...]

    def outside(self, *allowed: Path) -> list[str]:
        """What was written elsewhere than below these."""
        return sorted(
            {path for path in self.written if not any(Path(path).is_relative_to(each) for each in allowed)}
        )


def watch(
    code: str, home: Path, *, given: str = "", python: Path | str = sys.executable, **environment: str
) -> Watched:
    """Run a piece of Python in a home of its own, and watch it and all that it starts; `given` is typed."""
    home.mkdir(parents=True, exist_ok=True)
    trace = home.parent / f"{home.name}.trace"
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [  # whichever strace there is
            *("strace", "-f", "-y", "-qq", "--seccomp-bpf", "-e", f"trace={','.join(_CALLS)}"),
            *("-e", "signal=none", "-s", "4096", "-o", trace, python, "-B", "-c", code),
        ],
        env={
            **kept,
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        cwd=home,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    sockets, written = [], []
    for line in trace.read_text("utf-8", "replace").splitlines():
        call = line.partition(" ")[2].strip()
        name = call.partition("(")[0]
        if " = -1 " in call or "resumed>" in call:
            continue
        if found := _SOCKET.match(call):
            if found[1] not in _LOCAL:
                sockets.append(call)
        elif name in _CALLS and (name not in _READS_ONLY or _WRITES.search(call)):
            for base, other, path in _NAMES.findall(call):
                full = str(Path(base or other or home, path))
                if not full.startswith(_NO_DISK):
                    written.append(full)
    return Watched(done.returncode, done.stdout, tuple(sockets), tuple(written))
