"""Files of strangers: what is checked before anything is decoded, and nothing but typed errors."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.errors import SourceError
from faceid_fast.sources.files.arrays import read_npy
from faceid_fast.sources.files.bounded import MAX_ARRAY_BYTES
from faceid_fast.sources.files.images import read_bmp, read_jpeg
from faceid_fast.sources.files.pictures import read_picture
from faceid_fast.sources.layouts.npz import read_npz
from faceid_fast.sources.layouts.tum import listing_in
from faceid_fast.sources.layouts.vap import read_dat

RNG = np.random.default_rng(9)
COLOR = cv2.GaussianBlur(RNG.integers(0, 256, (60, 64, 3)).astype(np.uint8), (7, 7), 0)
DEPTH = RNG.integers(500, 1100, (60, 64)).astype(np.uint16)


def encoded(ending: str, image: NDArray[Any], *parameters: int) -> bytes:
    done, content = cv2.imencode(ending, image, parameters)
    assert done
    return content.tobytes()


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    camera = {"fx": 600, "fy": 600, "cx": 31.5, "cy": 29.5, "depth_unit_m": 0.001}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{"depth": DEPTH, "color": COLOR, **camera, **arrays})
    return buffer.getvalue()


def header_only(shape: tuple[int, ...], dtype: str = "<u2") -> bytes:
    buffer = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


BMP = encoded(".bmp", COLOR)
JPEG = encoded(".jpg", COLOR, cv2.IMWRITE_JPEG_QUALITY, 98)
FRAME = JPEG.index(b"\xff\xc0") + 4


def changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def refused(reader: Callable[[Path], object], path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        reader(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message


# --- BMP


def test_bmp(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(BMP)
    np.testing.assert_array_equal(read_bmp(path), COLOR[..., ::-1])
    start = struct.unpack_from("<I", BMP, 10)[0]
    downwards = changed(BMP, 22, struct.pack("<i", -60))[:start] + COLOR.tobytes()
    path.write_bytes(downwards)
    np.testing.assert_array_equal(read_bmp(path), COLOR[..., ::-1])
    path.write_bytes(encoded(".bmp", np.dstack([COLOR, COLOR[..., 0]])))
    np.testing.assert_array_equal(read_bmp(path), COLOR[..., ::-1])


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "expected a BMP file"),
        (b"BM", "expected a BMP file"),
        (b"PNG" + BMP, "expected a BMP file"),
        (BMP[:-1], "truncated or damaged"),
        (changed(BMP, 18, struct.pack("<i", 5000)), "at most 4096 pixels a side, got 5000 x 60"),
        (changed(BMP, 18, struct.pack("<i", -64)), "got -64 x 60"),
        (changed(BMP, 22, struct.pack("<i", -(2**31))), "got 64 x 2147483648"),
        (changed(BMP, 22, struct.pack("<i", 0)), "got 64 x 0"),
        (changed(BMP, 28, struct.pack("<H", 8)), "got 8 bit"),
        (changed(BMP, 30, struct.pack("<I", 1)), "damaged"),
        (changed(BMP, 10, struct.pack("<I", 2**32 - 1)), "truncated"),
        (encoded(".bmp", COLOR[..., 0]), "got 8 bit"),
    ],
)
def test_bmps_that_are_refused(tmp_path: Path, content: bytes, part: str) -> None:
    assert part in refused(read_bmp, tmp_path / "a.bmp", content)


# --- JPEG


def test_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for content in (
        JPEG,
        encoded(".jpg", COLOR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 98),
        encoded(".jpg", COLOR, cv2.IMWRITE_JPEG_RST_INTERVAL, 2, cv2.IMWRITE_JPEG_QUALITY, 98),
        JPEG + b"what a phone writes behind it",
        JPEG[:2] + b"\xff\xff\xff" + JPEG[3:],  # fill bytes before a marker
    ):
        path.write_bytes(content)
        np.testing.assert_allclose(read_jpeg(path), COLOR[..., ::-1].astype(int), atol=24)
    path.write_bytes(encoded(".jpg", COLOR[..., 0], cv2.IMWRITE_JPEG_QUALITY, 98))
    assert read_jpeg(path).shape == (60, 64)


def test_a_jpeg_lies_as_it_is_stored(tmp_path: Path) -> None:
    """A phone's wish to have it shown upright would turn the picture, and not its depth."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation: turned by 90 degrees
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    wish = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG[:2] + wish + JPEG[2:])
    assert cv2.imread(str(path)).shape == (64, 60, 3)
    assert read_jpeg(path).shape == (60, 64, 3)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "expected a JPEG file"),
        (BMP, "expected a JPEG file"),
        (JPEG[:2], "truncated"),
        (JPEG[:3], "truncated"),
        (JPEG[:-2], "truncated"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (JPEG[:FRAME], "truncated"),
        (JPEG[:2] + b"\xff\xd9", "truncated"),
        (JPEG[:2] + b"\0" + JPEG[2:], ""),
        (JPEG[:-2] + b"what is not an end", "truncated"),
        (changed(JPEG, FRAME + 1, b"\xff\xff\xff\xff"), "at most 4096 pixels a side, got 65535 x 65535"),
        (changed(JPEG, FRAME + 1, b"\0\0"), "got 64 x 0"),
        (changed(JPEG, FRAME, b"\x0c"), "damaged"),
        (changed(JPEG, FRAME + 5, b"\x04"), "got 4 channels"),
    ],
)
def test_jpegs_that_are_refused(tmp_path: Path, content: bytes, part: str) -> None:
    assert part in refused(read_jpeg, tmp_path / "a.jpg", content)


# --- numpy's


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", "<f8", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.array(DEPTH.astype(dtype), order=order)
    path = tmp_path / "a.npy"
    path.write_bytes(npy(array))
    read = read_npy(path)
    np.testing.assert_array_equal(read, array)
    assert read.flags.c_contiguous


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "expected an array as numpy writes it"),
        (b"\x93NUMPY\x01", "expected an array as numpy writes it"),
        (
            b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1),
            "expected an array as numpy writes it, in format 1.0",
        ),
        (b"\x93NUMPY\x01\0\x10\0{'descr': '<u2'}", "expected an array as numpy writes it"),
        (header_only((60, 64)), "damaged: expected 7680 bytes behind its header, got 0"),
        (npy(DEPTH)[:-1], "damaged: expected 7680 bytes"),
        (npy(DEPTH) + b"\0", "damaged: expected 7680 bytes behind its header, got more"),
        (header_only((100_000, 100_000)), "axes of at most 4096, got '<u2' of shape (100000, 100000)"),
        (header_only((4096, 4096, 4096)), f"expected at most {MAX_ARRAY_BYTES} bytes"),
        (header_only((-1, 64)), "of shape (-1, 64)"),
        (header_only((1, 1, 1, 1)), "at most 3 axes"),
        (header_only((60, 64), "|O"), "expected numbers"),
        (header_only((60, 64), "<M8[s]"), "expected numbers"),
        (header_only((60, 64), "<U9"), "expected numbers"),
    ],
)
def test_npys_that_are_refused(tmp_path: Path, content: bytes, part: str) -> None:
    assert part in refused(read_npy, tmp_path / "a.npy", content)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    trap = np.array([[Trap()]], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", depth=trap, allow_pickle=True)
    for name, reader in (("a.npy", read_npy), ("a.npz", read_npz)):
        with pytest.raises(SourceError, match="expected numbers"):
            reader(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def bomb(compression: int = zipfile.ZIP_DEFLATED, shape: tuple[int, ...] = (60, 64)) -> bytes:
    """64 MiB of zeros behind the header of an array, in 64 KiB."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", compression) as archive,
        archive.open("depth.npy", "w", force_zip64=True) as member,
    ):
        member.write(header_only(shape))
        for _ in range(64):
            member.write(bytes(2**20))
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(60, 64), (4096, 4096, 4096)])
def test_an_archive_that_unpacks_to_much_takes_no_memory(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path, content = tmp_path / "a.npz", bomb(shape=shape)
    tracemalloc.start()
    try:
        assert "depth: " in refused(read_npz, path, content)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def entries(count: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.npy", b"")
    return buffer.getvalue()


def twice(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.npy", npy(DEPTH))
        archive.writestr(name, npy(DEPTH))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "not a readable archive"),
        (npz()[:-30], "not a readable archive"),
        (npz()[: len(npz()) // 2], "not a readable archive"),
        (entries(65), "expected at most 64 arrays"),
        (entries(3), "got none of them"),
        (twice("depth"), "depth: expected it once"),
        (npz(color=None), "color: expected numbers"),
        (npz(infrared=DEPTH), "one of color and infrared"),
        (npz(depth=DEPTH[:50]), "expected depth registered to color"),
        (npz(color=COLOR[..., 0]), "color: expected an array (H, W, 3)"),
        (npz(fx=[1, 2]), "fx: expected one number, got shape (2,)"),
        (npz(fx=-1.0), "intrinsics.fx"),
        (npz(fx=np.nan), "intrinsics.fx"),
        (npz(depth_unit_m=np.nan), "depth_unit_m"),
        (npz(depth_unit_m="mm"), "depth_unit_m: expected numbers"),
        (npz(depth_unit_m=1e300), "depth_unit_m"),
    ],
)
def test_npzs_that_are_refused(tmp_path: Path, content: bytes, part: str) -> None:
    assert part in refused(read_npz, tmp_path / "a.npz", content)


def test_a_wrong_checksum_in_an_archive_is_noticed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("depth.npy", npy(DEPTH))
    content = buffer.getvalue()
    at = content.index(DEPTH.tobytes()) + 5000
    assert "not a readable archive" in refused(
        read_npz, tmp_path / "a.npz", changed(content, at, bytes([content[at] ^ 1]))
    )


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_kinds_of_archives_that_cannot_be_bounded_are_refused(tmp_path: Path, compression: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("depth.npy", npy(DEPTH))
    assert "stored or deflated" in refused(read_npz, tmp_path / "a.npz", buffer.getvalue())


# --- any of them


def test_the_ending_says_what_a_picture_is(tmp_path: Path) -> None:
    for name in ("a.gif", "a", "a.png.exr"):
        assert "expected a name that ends in .png, .npy" in refused(read_picture, tmp_path / name, BMP)
    assert "expected a PNG file" in refused(read_picture, tmp_path / "a.PNG", BMP)
    (tmp_path / "a.JPEG").write_bytes(JPEG)
    assert read_picture(tmp_path / "a.JPEG").shape == (60, 64, 3)


def text_list(path: Path) -> None:
    (path.parent / "depth.txt").write_bytes(b"1.0 depth/a.png")
    listing_in(path.parent, path.parent)


WHOLE: dict[str, tuple[Callable[[Path], object], bytes]] = {
    "a.bmp": (read_bmp, BMP),
    "a.jpg": (read_jpeg, JPEG),
    "a.npy": (read_npy, npy(DEPTH)),
    "a.npz": (read_npz, npz()),
    "a_d.dat": (read_dat, b"812\t-1\t0\t1200\t7.5\t\n" * 480),
    "rgb.txt": (text_list, b"# rgb\n1.000000 rgb/1.png\n1.033 rgb/2.png\n" * 3),
}


def mutated(rng: random.Random, content: bytes) -> bytes:
    copy = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(copy) + 1)
        match rng.randrange(5):
            case 0 if at < len(copy):
                copy[at] ^= 1 << rng.randrange(8)
            case 1:
                copy[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
            case 2:
                del copy[at : at + rng.choice((1, 100))]
            case 3:
                copy[at:at] = rng.randbytes(rng.choice((1, 100)))
            case _:
                copy = copy[: at + 1]
    return bytes(copy)


@pytest.mark.parametrize("name", list(WHOLE))
def test_damage_gives_nothing_but_source_errors(tmp_path: Path, name: str) -> None:
    reader, whole = WHOLE[name]
    rng, path = random.Random(name), tmp_path / name
    refusals: list[str] = []
    for _ in range(500):
        path.write_bytes(mutated(rng, whole))
        try:
            reader(path)
        except SourceError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all(str(tmp_path) in message for message in refusals)
    assert max(len(message.replace(str(path), "")) for message in refusals) < 600


def test_compressed_garbage_in_an_archive(tmp_path: Path) -> None:
    """Mutations rarely get past the archive's own checks: here these are right, and what is packed is not."""
    rng, whole, path = random.Random(1), npy(DEPTH), tmp_path / "a.npz"
    for _ in range(200):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("depth.npy", mutated(rng, whole))
            archive.writestr("color.npy", npy(COLOR))
        path.write_bytes(buffer.getvalue())
        with pytest.raises(SourceError):
            read_npz(path)
