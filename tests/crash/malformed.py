"""Values that nobody should give, made of ones that are right; everything comes from one seed."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from damaged_files import FILES, PIPE, TEXTS, damaged_json
from faceid_fast.errors import FaceIDError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.storage.references import References

HUGE: Final = (1 << 31, 1 << 62, 1 << 63, (1 << 64) - 1, 10**30, 10**400, 10**5000)
NUMBERS: Final = (
    *(math.nan, -math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e-40, -1e-300, 1e300, 0.1, -1.0, 2.0),
    *(0, 1, -1, 1 << 16, *HUGE, *(-value for value in HUGE), True, False, 1j, complex(math.nan, 1)),
    *(np.float16(0.3), np.float32(math.nan), np.longdouble("1e4000"), np.int8(-1), np.uint64(2**64 - 1)),
    *(np.bool_(True), np.datetime64("2020-01-01"), np.timedelta64("NaT"), np.float64(0.25), np.str_("7")),
)
DTYPES: Final = (
    *("?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", ">f4", ">u2", "<f8", "g", "c8", "O", "S4", "U3"),
    *("M8[s]", "m8[D]", "V8", [("depth", "u2"), ("ir", "u2")]),
)


class CallersError(Exception):
    """Raised by the code of an argument, named by its method: what only it can have done."""


class Picture(np.ndarray[Any, Any]):
    """An array of a class of its own."""


def _raises(method: str) -> Callable[..., Any]:
    def raising(*_: object) -> Any:
        raise CallersError(method)

    return raising


ODD: Final[dict[str, tuple[Any, ...]]] = {
    "__array__": (lambda *_, **__: np.ones(128, np.float32), lambda *_, **__: None),
    "__len__": (lambda _: 1 << 62, lambda _: 0),
    "__float__": (lambda _: math.nan, lambda _: "0.1"),
    "__index__": (lambda _: 1 << 80, lambda _: -1),
    "__iter__": (lambda _: itertools.repeat(0.5), lambda _: 7),
    "__getitem__": (lambda *_: 0.5,),
    "__eq__": (lambda *_: True, lambda *_: np.ones(3, bool)),
    "__hash__": (lambda _: 7,),
    "__bool__": (lambda _: False,),
    "__repr__": (lambda _: "0.1234567 " * 200, lambda _: None),
    "__str__": (lambda _: "eve",),
    "__fspath__": (lambda _: b"eve", lambda _: 7),
    "__call__": (lambda *_, **__: None, lambda *_, **__: {"ada": 1}),
}
"""What an object can be asked for, and answers that are lies. A third way is to raise."""


class Malformed:
    """Draws values.

    Parameters
    ----------
    rng : decides everything.
    place : where files are written that are not as they should be.
    faces : vectors and pictures that no message may show.
    """

    def __init__(self, rng: random.Random, place: Path, faces: list[NDArray[Any]]) -> None:
        self.rng = rng
        self._place = place
        self._faces = faces
        self._kinds: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice(TEXTS),
            lambda: rng.choice((b"", b"\xff\0", bytearray(32), memoryview(b"key"), b"7" * 32)),
            lambda: rng.choice(([], (), {}, set(), range(3), object(), ..., slice(None))),
            lambda: [[[self.junk()], self.junk()], {"eve": self.junk()}],
            lambda: dict.fromkeys(("fx", "infrared", "ada"), self.junk()),
            lambda: iter([self.junk()]),
            self._odd,
            lambda: rng.choice(self._faces),
            lambda: rng.choice(self._faces).ravel().tolist(),
            lambda: tuple(rng.choice(self._faces).ravel()[:200]),
            lambda: self.array(rng.choice(self._faces)),
            lambda: np.broadcast_to(np.float32(0.5), rng.choice(((1 << 40, 128), (1 << 33,), (1 << 31, 2)))),
        )

    def junk(self) -> Any:
        """Draw a value of any type at all."""
        return self.rng.choice(self._kinds)()

    def of(self, value: Any) -> Any:
        """Draw something in place of a value, half of the time of its own kind."""
        if self.rng.random() < 0.4:
            return self.junk()
        kinds: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
            (np.ndarray, self.array),
            (Frame, self.frame),
            ((References, Intrinsics), self._record),
            (Path, self.file),
            (str, self._text),
            ((bool, NoneType), lambda _: self.junk()),
            ((int, float), lambda number: self.rng.choice((*NUMBERS, -number, str(number), [number]))),
            (bytes, self._bytes),
            ((list, tuple), self._several),
        )
        change = next((change for kind, change in kinds if isinstance(value, kind)), None)
        return self.junk() if change is None else change(value)

    def array(self, value: NDArray[Any]) -> Any:
        """Draw an array of another type, shape, order or content."""
        rng = self.rng
        # Absurd shapes cost nothing: every element is the same one.
        wide = (1 << rng.choice((17, 33, 40)), *value.shape[1:])
        changes: tuple[Callable[[], Any], ...] = (
            lambda: self._recast(value),
            lambda: value[..., None],
            lambda: value[None],
            lambda: value[:0],
            lambda: value[..., :0],
            lambda: value[: len(value) // 2],
            lambda: value.T,
            lambda: np.asfortranarray(value),
            lambda: value[::-1],
            lambda: np.repeat(value, 2, axis=-1)[..., ::2],
            lambda: np.broadcast_to(value[:1], wide),
            lambda: np.broadcast_to(value.flat[:1].reshape(()), (1 << 31, *value.shape)),
            lambda: np.array(value.flat[0]),
            lambda: np.ma.masked_array(value, value == value.flat[0]),
            lambda: value.view(Picture),
            lambda: _unaligned(value),
            value.tolist,
            lambda: memoryview(np.ascontiguousarray(value)),
            lambda: self._spoilt(value),
            lambda: self._spoilt(value),
            lambda: self._spoilt(value),
        )
        return rng.choice(changes)()

    def frame(self, frame: Frame) -> Any:
        """Draw a frame of which something is changed, as far as a frame can be made of it."""
        fields = {
            "depth": frame.depth,
            "depth_unit_m": frame.depth_unit_m,
            "infrared": frame.infrared,
            "color": frame.color,
            "intrinsics": frame.intrinsics,
        }
        for _ in range(3):
            changed = dict(fields)
            for name in self.rng.sample(("depth", "infrared", "depth_unit_m", "intrinsics"), 2):
                value = fields[name]
                whole = isinstance(value, np.ndarray) and self.rng.random() < 0.7
                changed[name] = self._spoilt(value) if whole else self.of(value)
            try:
                return Frame(**changed)
            except FaceIDError:
                continue
        return frame

    def file(self, path: Path) -> Any:
        """Draw a path to something else, mostly a damaged copy."""
        rng = self.rng
        text = rng.choice(TEXTS)
        others = (text, path.parent / text, str(path), path.parent, path / "none", str(path).encode())
        if rng.random() < 0.4 or not path.is_file():
            return rng.choice((*others, *(self._place / name for name in (*FILES, PIPE))))
        content = path.read_bytes()
        damaged = damaged_json(rng, content) if path.suffix == ".json" else self._bytes(content)
        copy = self._place / "copies" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(damaged if isinstance(damaged, bytes) else content)
        return copy

    def _odd(self) -> Any:
        """An object with a method that raises or lies; the others are those of every object."""
        methods = {}
        for name in self.rng.sample(sorted(ODD), self.rng.choice((1, 1, 2))):
            methods[name] = self.rng.choice((_raises(name), *ODD[name]))
        return type("Odd", (), methods)()

    def _record(self, record: Any) -> Any:
        fields = {entry.name: getattr(record, entry.name) for entry in dataclasses.fields(record)}
        name = self.rng.choice(sorted(fields))
        try:
            return type(record)(**{**fields, name: self.of(fields[name])})
        except FaceIDError:
            return record

    def _text(self, text: str) -> Any:
        other = self.rng.choice(TEXTS)
        return self.rng.choice((other, text + other, other + text, text.encode(), list(text), text * 60))

    def _bytes(self, content: bytes) -> Any:
        rng = self.rng
        changed = bytearray(content)
        match rng.randrange(5):
            case 0:
                return content[: rng.randrange(len(content) + 1)]
            case 1:
                for _ in range(rng.choice((1, 1, 8))):
                    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            case 2:
                start = rng.randrange(len(changed))
                changed[start : start + 8] = struct.pack("<Q", rng.choice((0, 1 << 31, (1 << 64) - 1)))
            case 3:
                changed += rng.randbytes(rng.choice((1, 100)))
            case _:
                return rng.choice(
                    (bytearray(content), memoryview(content), content.hex(), list(content[:99]))
                )
        return bytes(changed)

    def _several(self, values: Any) -> Any:
        items = list(values)
        match self.rng.randrange(5):
            case 0 if items:
                items[self.rng.randrange(len(items))] = self.of(items[0])
            case 1:
                items.append(self.junk())
            case 2:
                items = items[:-1]
            case 3:
                return (item for item in [*items, self.junk()])
            case _:
                return itertools.repeat(self.of(items[0]) if items else self.junk())
        return type(values)(items)

    def _recast(self, value: NDArray[Any]) -> Any:
        with np.errstate(all="ignore"):
            try:
                return value.astype(np.dtype(self.rng.choice(DTYPES)))
            except (TypeError, ValueError):
                return value.astype(object)

    def _spoilt(self, value: NDArray[Any]) -> NDArray[Any]:
        """Another content of the same shape, and mostly the same type."""
        rng = self.rng
        noise = np.random.default_rng(rng.getrandbits(32))
        if value.dtype.kind in "ui" and rng.random() < 0.3:
            value = value.astype(np.float32)
        copy = value.copy()
        real = copy.dtype.kind == "f"
        large = min(1e30, float(np.finfo(copy.dtype).max)) if real else 255
        extremes = (math.nan, math.inf, -math.inf, 1e-40, -1.0, large, 0.0) if real else (0, 1, large)
        rows = slice(rng.randrange(max(1, len(copy))), None, rng.choice((1, 2, 7)))
        match rng.randrange(5):
            case 0:
                copy[rows] = rng.choice(extremes)
            case 1:
                copy[noise.random(copy.shape) < rng.choice((0.01, 0.3))] = rng.choice(extremes)
            case 2:
                copy.reshape(-1)[rng.randrange(max(1, copy.size))] = rng.choice(extremes)
            case 3:
                copy[...] = noise.permutation(copy, axis=rng.randrange(copy.ndim))
            case _:
                copy = copy[..., ::-1] if rng.random() < 0.5 else copy // 2 + copy // 3
        copy.flags.writeable = False
        return copy


def _unaligned(value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype.hasobject:
        return value
    content = np.frombuffer(b"\0" + value.tobytes(), np.uint8)[1:]
    return content.view(value.dtype).reshape(value.shape)
