"""ONNX files that are whole: their weights lie in the file, none in another one. Pure.

onnxruntime reads weights that a file says lie elsewhere ("external data") from the working directory if the
model is loaded from bytes. Nobody has hashed those, so such files are refused before onnxruntime sees them.
The file is a protobuf message; only its structure is read here, down to the tensors
(https://protobuf.dev/programming-guides/encoding, onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from faceid_fast.errors import ModelError

_TENSOR: Final = "tensor"
_MESSAGES: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    {
        "model": {7: "graph", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
        "function": {7: "node", 11: "attribute"},
        "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
        "node": {5: "attribute"},
        "attribute": {
            **dict.fromkeys((5, 10), _TENSOR),
            **dict.fromkeys((6, 11), "graph"),
            **dict.fromkeys((22, 23), "sparse"),
        },
        "sparse": {1: _TENSOR, 2: _TENSOR},
        _TENSOR: {},
    }
)
"""By message, the fields through which a tensor can be reached, and the messages that they hold."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
"""The fields of a tensor that say where its numbers lie; a location of 0 means: in the tensor."""
_MAX_DEPTH: Final = 64
_ORT_FORMAT: Final = (slice(4, 8), b"ORTM")
"""Place and value of the mark of onnxruntime's own format, which is no ONNX."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class _NotProtobufError(Exception):
    """The bytes are no protobuf message."""


def check_whole(content: bytes, name: str) -> None:
    """Refuse a model whose weights do not all lie in its file.

    Parameters
    ----------
    content : of the file.
    name : of the file, for messages.

    Raises
    ------
    ModelError
        If a tensor names another file, or the content is no ONNX.
    """
    place, mark = _ORT_FORMAT
    if content[place] == mark:
        message = f"{name}: expected an ONNX file, got one in onnxruntime's own format"
        raise ModelError(message)
    try:
        whole = _is_whole(content)
    except _NotProtobufError:
        message = f"{name}: not a model that onnxruntime can load: not an ONNX file"
        raise ModelError(message) from None
    if not whole:
        message = (
            f"{name}: expected a file that holds all of its weights, got one whose weights lie in another "
            "file: save it without external data"
        )
        raise ModelError(message)


def _is_whole(content: bytes) -> bool:
    """Walk to every tensor: whether none says that its numbers lie elsewhere."""
    waiting = [("model", 0, len(content), 0)]
    while waiting:
        kind, start, end, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise _NotProtobufError
        for number, (low, high) in _fields(content, start, end):
            located = number == _DATA_LOCATION and any(byte & 0x7F for byte in content[low:high])
            if kind == _TENSOR and (located or number == _EXTERNAL_DATA):
                return False
            if (inner := _MESSAGES[kind].get(number)) is not None:
                waiting.append((inner, low, high, depth + 1))
    return True


def _fields(content: bytes, start: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Iterate over a message's fields: number, and where its bytes begin and end."""
    at = start
    while at < end:
        tag, at = _varint(content, at, end)
        number, wire = tag >> 3, tag & 7
        low = at
        if wire == _VARINT:
            _, at = _varint(content, at, end)
        elif wire == _LENGTH:
            length, low = _varint(content, at, end)
            at = low + length
        elif wire in {_FIXED64, _FIXED32}:
            at += 8 if wire == _FIXED64 else 4
        else:  # groups, which ONNX has none of
            raise _NotProtobufError
        if at > end or not number:
            raise _NotProtobufError
        yield number, (low, at)


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte, lowest first: the number, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _NotProtobufError
