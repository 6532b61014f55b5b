"""Names and files that nobody should hand over."""

from __future__ import annotations

import json
import math
import random
import struct
import zlib
from typing import Final

TEXTS: Final = (
    *("", " ", "\0", "a\0b", "\ud800", "eve\udcff", "\x1b[2J", "line\nline", "\u202eeve", "\u200b", "\ufeff"),
    *("Rene\u0301", "\u1100\u1161", "a" + "\u0301" * 150, "x" * 201, "\U0001f600" * 200, "e" * 100_000),
    *("\U000e0001", "eve ", "\teve", "%s%n{0}", "../eve", "'; DROP TABLE records;--", "NaN", "0.4", "None"),
)


def damaged_json(rng: random.Random, content: bytes) -> bytes:
    """A camera file with a value that is missing, nested or none."""
    record = json.loads(content)
    name = rng.choice(sorted(record))
    match rng.randrange(4):
        case 0:
            del record[name]
        case 1:
            record[name] = rng.choice((math.nan, math.inf, -1e300, 10**400, None, True, [dict(record)], {}))
        case 2:
            record[name] = rng.choice(TEXTS)
        case _:
            return rng.choice((b"[" * 100_000, b"\xff\xfe", b"", b"null", b'{"fx":' + b"9" * 5000 + b"}"))
    return json.dumps(record).encode()


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


FILES: Final[dict[str, bytes]] = {
    "144 megapixels.png": _png(12_000, 12_000, b""),
    "no rows.png": _png(128, 128, b""),
    "one pixel.png": _png(1, 1, bytes(3)),
    "a thousand times as many rows.png": _png(64, 64, bytes(10_000_000)),
    "empty.png": b"",
    "folder.png/camera.json": b"{",
    "99_depth.png": b"\x89PNG",
    "00_ir.png": b"",
}
PIPE: Final = "pipe.png"
"""Lies beside them: a pipe that nobody writes to."""
