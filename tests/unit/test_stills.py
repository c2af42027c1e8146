"""Picture files become upright 8-bit BGR frames, or one clear error."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from edge_agent.capture.picture_size import MAX_EDGE_PX
from edge_agent.capture.stills import decode_picture, picture_paths, read_folder, read_picture
from edge_agent.errors import PictureError
from tests.simulators.kiosk import ROOT

PHOTOS = os.environ.get("DERM_REAL_PHOTOS")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
RED, GREEN = (200, 30, 20), (10, 180, 40)


def scene(width: int = 80, height: int = 60) -> Image.Image:
    """A red picture with a green upper left quarter."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (0, 0, width // 2, height // 2))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def test_channels_are_blue_green_red() -> None:
    """A frame is BGR like OpenCV's, contiguous and writable."""
    frame = decode_picture(encoded(scene(), "PNG"))
    assert frame.shape == (60, 80, 3) and frame.dtype == np.uint8 and frame.flags.c_contiguous
    assert tuple(frame[0, 0]) == GREEN[::-1] and tuple(frame[-1, -1]) == RED[::-1]


@pytest.mark.parametrize(
    ("orientation", "green_at"),
    [(1, "top left"), (2, "top right"), (3, "bottom right"), (4, "bottom left"), (6, "top right"), (8, "bottom left")],
)
def test_exif_orientation_is_applied(orientation: int, green_at: str) -> None:
    """All turns a phone writes; 6 and 8 swap the edges."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    frame = decode_picture(encoded(scene(), "PNG", exif=exif))
    assert frame.shape == ((80, 60, 3) if orientation in {6, 8} else (60, 80, 3))
    rows, columns = green_at.split()
    assert tuple(frame[5 if rows == "top" else -5, 5 if columns == "left" else -5]) == GREEN[::-1]


def test_a_broken_exif_block_does_not_lose_the_picture() -> None:
    """Camera firmware writes broken EXIF; the photograph itself is sound."""
    data = encoded(scene(), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff\x00\x01garbage")
    assert decode_picture(data).shape == (60, 80, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_other_pixel_layouts_are_converted(mode: str, kind: str) -> None:
    """Grey, palette, alpha and print colours arrive as the same picture (JPEG and print colours within tolerance)."""
    grey = Image.new("RGB", (80, 60), (128, 128, 128))
    image = Image.new("1", (80, 60), 1) if mode == "1" else grey.quantize(2) if mode == "P" else grey.convert(mode)
    try:
        data = encoded(image, kind)
    except OSError:
        pytest.skip(f"{kind} cannot hold {mode}")
    frame = decode_picture(data).astype(int)
    assert np.abs(frame - (255 if mode == "1" else 128)).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    """A fully transparent half is white paper, never black."""
    image = Image.new("RGBA", (80, 60), (0, 0, 0, 0))
    image.paste((50, 50, 50, 255), (0, 0, 40, 60))
    data = encoded(image.convert(mode), "PNG") if mode != "P" else encoded(image.quantize(4), "PNG")
    frame = decode_picture(data)
    assert tuple(frame[30, 70]) == (255, 255, 255)
    assert abs(int(frame[30, 10, 0]) - 50) <= 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("value", "expected"), [(0, 0), (65535, 255), (257 * 100, 100), (257 * 100 + 128, 100)])
def test_sixteen_bit_grey_is_scaled(kind: str, value: int, expected: int) -> None:
    """65535 is white; nothing wraps round and nothing clips."""
    image = Image.fromarray(np.full((60, 80), value, np.uint16))
    assert decode_picture(encoded(image, kind))[0, 0].tolist() == [expected] * 3


def test_sixteen_bit_colour_keeps_its_colours() -> None:
    """A 16-bit RGB PNG (written by hand: Pillow cannot) keeps the high byte of each channel."""
    row = b"\x00" + struct.pack(">3H", 200 * 257, 30 * 257, 20 * 257) * 80
    frame = decode_picture(raw_png(80, 60, depth=16, colour=2, rows=row * 60))
    assert tuple(frame[0, 0]) == RED[::-1]


def test_a_wide_gamut_profile_is_turned_into_srgb() -> None:
    """Colour is a sign: the same numbers under another profile are another colour."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode_picture(encoded(scene(), "PNG"))
    assert np.abs(decode_picture(encoded(scene(), "PNG", icc_profile=srgb)).astype(int) - plain).max() <= 1
    # The same profile with the red and green primaries exchanged: what is written red is meant green.
    exchanged = srgb.replace(b"rXYZ", b"tXYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tXYZ", b"gXYZ", 1)
    turned = decode_picture(encoded(scene(), "PNG", icc_profile=exchanged)).astype(int)
    assert np.abs(turned[:, :, [0, 2, 1]] - plain).max() <= 3
    damaged = decode_picture(encoded(scene(), "PNG", icc_profile=b"not a profile"))
    assert np.array_equal(damaged, plain)


@pytest.mark.parametrize("size", [(55, 400), (400, 55), (1, 1)])
def test_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    """Below 56 px there is nothing to read."""
    with pytest.raises(PictureError, match=f"{size[0]}x{size[1]}"):
        decode_picture(encoded(scene(*size), "PNG"))
    assert decode_picture(encoded(scene(56, 56), "PNG")).shape == (56, 56, 3)


def raw_png(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = _chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + packed + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_rows(size: int, *, row: bytes, exif: bytes) -> bytes:
    """A square RGBA PNG of equal rows, packed row by row; ``exif`` starts with the marker of a JPEG."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b"\x00" + row) for _ in range(size)) + packer.flush()
    plain = raw_png(size, size, depth=8, colour=6, rows=b"")
    head = plain[: plain.index(b"IDAT") - 4]
    return head + _chunk(b"eXIf", exif.removeprefix(b"Exif\x00\x00")) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(20000, 20000), (60000, 60000), (9000, 9000), (5000, 5000)])
def test_a_decompression_bomb_is_refused_from_its_header(width: int, height: int) -> None:
    """The claim is checked before a pixel is decoded: the file holds almost none."""
    with pytest.raises(PictureError, match="smaller copy"):
        decode_picture(raw_png(width, height, depth=8, colour=2, rows=b"\x00" * 1000))


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header (SOF0 or SOF2) claims another size."""
    place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def test_a_phones_largest_photograph_is_not_refused_by_its_size() -> None:
    """200 million pixels are read at a quarter of their edges (most of this one's are missing and become grey)."""
    data = encoded(scene(640, 480), "JPEG")
    assert decode_picture(claiming(data, 16320, 12240)).shape == (2304, 3072, 3)
    with pytest.raises(PictureError, match="may have 220 million: save a smaller copy"):
        decode_picture(claiming(data, 16320, 16320))


def test_a_progressive_photograph_has_the_smaller_limit() -> None:
    """All its coefficients are held at once, whatever the scale."""
    data = encoded(scene(640, 480), "JPEG", progressive=True)
    with pytest.raises(PictureError, match="may have 24 million: save a smaller copy"):
        decode_picture(claiming(data, 5000, 5000))


def test_the_largest_picture_fits_the_memory() -> None:
    """18 million pixels with alpha, turned by its EXIF block: the reading process stays below 350 MB."""
    program = """
from pathlib import Path
from PIL import Image
from edge_agent.capture.stills import decode_picture
from tests.unit.test_stills import png_rows
exif = Image.Exif(); exif[0x0112] = 6
size = 4240
data = png_rows(size, row=bytes([120, 100, 90, 255]) * size, exif=exif.tobytes())
assert decode_picture(data).shape == (3072, 3072, 3)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])  # ru_maxrss counts the parent too
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=ONE_THREAD, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 350_000


def test_a_large_photograph_is_reduced() -> None:
    """Memory is bounded; the picture stays the same scene."""
    frame = decode_picture(encoded(scene(4000, 3000), "JPEG"))
    assert max(frame.shape) == MAX_EDGE_PX and frame.shape[:2] == (2304, 3072)
    assert np.abs(frame[100, 100].astype(int) - GREEN[::-1]).max() <= 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_a_truncated_file_is_refused(kind: str) -> None:
    """Half a file is never half a picture."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (120, 120, 3), np.uint8).astype(np.uint8))
    data = encoded(noise, kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(PictureError):
            decode_picture(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_damaged_bytes_never_crash(kind: str) -> None:
    """A flipped byte anywhere gives a frame or a PictureError, nothing else."""
    data = encoded(scene(), kind)
    for place in range(0, len(data), max(1, len(data) // 60)):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        try:
            assert decode_picture(bytes(broken)).dtype == np.uint8
        except PictureError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(kind: str) -> None:
    """Which frame was meant is a person's decision."""
    more = [Image.new("RGB", (80, 60), GREEN)]
    with pytest.raises(PictureError, match="one still picture"):
        decode_picture(encoded(scene(), kind, save_all=True, append_images=more))


def test_a_phones_two_picture_jpeg_is_its_photograph() -> None:
    """MPO: the first picture is the photograph, the second a depth or gain map."""
    data = encoded(scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (80, 60), GREEN)])
    frame = decode_picture(data)
    assert np.abs(frame[-5, -5].astype(int) - RED[::-1]).max() <= 4


@pytest.mark.parametrize(("data", "line"), [(b"", "empty"), (b"hello", "JPEG or PNG"), (b"%PDF-1.7", "JPEG or PNG")])
def test_what_is_no_picture_is_named(data: bytes, line: str) -> None:
    """Empty and foreign files."""
    with pytest.raises(PictureError, match=line):
        decode_picture(data, name="x.jpg")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Missing, a folder, a pipe (which would block for ever)."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path, line in ((tmp_path / "none.png", "No such file"), (tmp_path, "not a file"), (pipe, "not a file")):
        with pytest.raises(PictureError, match=line):
            read_picture(path)


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    """More than a file system's 255 bytes, as a file or a folder."""
    assert picture_paths([tmp_path / ("a" * 300)]) == [tmp_path / ("a" * 300)]
    with pytest.raises(PictureError, match="File name too long"):
        read_picture(tmp_path / ("a" * 300))


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No permission (planted: the tests may run as root)."""

    def refuse(_path: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PictureError, match=r"cannot read the folder .*: Permission denied"):
        picture_paths([tmp_path])


def test_a_folder_gives_its_pictures_by_name(tmp_path: Path) -> None:
    """Sorted; hidden files, other types and subfolders are left out."""
    for name in ("b.PNG", "a.png", ".hidden.png"):
        (tmp_path / name).write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "sub.png").mkdir()
    assert [path.name for path in picture_paths([tmp_path])] == ["a.png", "b.PNG"]
    assert len(read_folder(tmp_path)) == 2
    with pytest.raises(PictureError, match="holds no picture"):
        picture_paths([tmp_path / "sub.png"])
    with pytest.raises(PictureError, match="13 pictures"):
        picture_paths([tmp_path / "a.png"] * 13)


@pytest.mark.skipif(PHOTOS is None, reason="DERM_REAL_PHOTOS is not set")
def test_real_photographs_are_read() -> None:
    """Every photograph of the sample becomes a frame."""
    paths = sorted((Path(str(PHOTOS)) / "images").iterdir())
    assert len(paths) == 30
    for path in paths:
        frame = read_picture(path)
        assert frame.ndim == 3 and min(frame.shape[:2]) >= 56
