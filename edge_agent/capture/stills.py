"""Read picture files as upright frames: a clear error or a correct conversion, never a crash.

The EXIF orientation is applied and the rest of the EXIF dropped; a colour profile is turned into sRGB; alpha is laid
on white; 16-bit grey is scaled. Does not judge whether a picture is sharp or well lit.
"""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from edge_agent.capture.picture_size import MAX_EDGE_PX, MIN_EDGE_PX, SUFFIXES
from edge_agent.errors import PictureError

if TYPE_CHECKING:  # the forms of a case are not loaded into the camera child
    from edge_agent.contracts.case import Frame

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
MAX_PIXELS = 220_000_000  # from the header, before decoding; phones take up to 200 million
# What cannot be decoded at a smaller size is held whole, with a copy or two of it: this many pixels fit the memory.
MAX_UNDRAFTED_PIXELS = 24_000_000
MAX_ALPHA_PIXELS = 18_000_000  # reducing a picture with alpha takes one more copy
MAX_FILE_BYTES = 96 * 1024 * 1024
MAX_ASPECT = 20
MAX_PICTURES = 12
_DAMAGE = (
    OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError, KeyError, TypeError, OverflowError,
    ZeroDivisionError, MemoryError,
)  # fmt: skip
_SIXTEEN_TO_EIGHT = 257


def read_picture(path: Path) -> Frame:
    """Read one picture file.

    Returns:
        uint8[H, W, 3], BGR, upright, at most ``MAX_EDGE_PX`` on its longer edge.

    Raises:
        PictureError: missing, unreadable, empty, damaged, too small, too large or not one still picture.
    """
    return decode_picture(_read_bytes(path), name=path.name)


def decode_picture(data: bytes, *, name: str = "picture") -> Frame:
    """Decode one picture from memory; ``name`` stands in the error line. As ``read_picture``."""
    if not data:
        raise PictureError(f"{name} is empty: take the picture again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked below, before any pixel is decoded
            Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit strikes earlier, and at any kind of picture
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_header(image, name)
                image.draft("RGB", (MAX_EDGE_PX, MAX_EDGE_PX))
                image.load()
                _make_upright(image)
                rgb = np.asarray(_to_rgb(_reduce(image), name), np.uint8)
    except UnidentifiedImageError as exc:
        raise PictureError(f"{name} is not a picture this program reads: save it as JPEG or PNG") from exc
    except Image.DecompressionBombError as exc:
        raise PictureError(f"{name} has too many pixels: save a smaller copy") from exc
    except _DAMAGE as exc:
        raise PictureError(f"{name} is damaged or incomplete: copy or take it again") from exc
    return np.ascontiguousarray(rgb[:, :, ::-1])


def read_folder(folder: Path) -> list[Frame]:
    """Read every picture of a folder, in the order of ``picture_paths``.

    Raises:
        PictureError: no picture, too many, or one that cannot be read; names it.
    """
    return [read_picture(path) for path in picture_paths([folder])]


def picture_paths(sources: Sequence[Path]) -> list[Path]:
    """List picture files: a file stands for itself, a folder for its pictures in the order of their names.

    Hidden files, other file types and subfolders of a folder are left out.

    Raises:
        PictureError: a folder cannot be read or holds no picture, or there are more than a case may have.
    """
    found: list[Path] = []
    for source in sources:
        if not is_folder(source):
            found.append(source)
            continue
        try:
            inside = [p for p in sorted(source.iterdir()) if _is_picture_name(p)]
        except OSError as exc:
            raise PictureError(f"cannot read the folder {source}: {exc.strerror}; mend its owner or mode") from exc
        if not inside:
            raise PictureError(f"{source} holds no picture ({', '.join(sorted(SUFFIXES))})")
        found += inside
    if len(found) > MAX_PICTURES:
        raise PictureError(f"{len(found)} pictures are more than one case takes ({MAX_PICTURES}): choose the best")
    return found


def is_folder(path: Path) -> bool:
    """Say whether a path names a folder; one that the system refuses to look at (too long a name) names none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_picture_name(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() in SUFFIXES


def _read_bytes(path: Path) -> bytes:
    """Read a regular file with a bound; a pipe or device would block for ever."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise PictureError(f"{path} is not a file: name a picture file")
        if facts.st_size > MAX_FILE_BYTES:
            raise PictureError(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MiB: save a smaller copy")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "the name cannot be used"
        raise PictureError(f"cannot read {path}: {reason}") from exc


def _check_header(image: Image.Image, name: str) -> None:
    """Refuse by what the header says, before any pixel is decoded."""
    width, height = image.size
    if min(width, height) < MIN_EDGE_PX:
        raise PictureError(f"{name} is only {width}x{height} px: take a picture of at least {MIN_EDGE_PX} px")
    is_drafted = image.format in {"JPEG", "MPO"} and "progressive" not in image.info
    whole = MAX_ALPHA_PIXELS if {"A", "a"} & set(image.getbands()) else MAX_UNDRAFTED_PIXELS
    limit = MAX_PIXELS if is_drafted else whole
    if width * height > limit:
        raise PictureError(
            f"{name} claims {width}x{height} px; its kind may have {limit // 1_000_000} million:"
            " save a smaller copy, or a baseline JPEG"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(f"{name} is a strip of {width}x{height} px: crop it")
    # An MPO is a phone's JPEG with a second picture (depth, gain map) behind the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PictureError(f"{name} holds several pictures or an animation: save one still picture")


def _make_upright(image: Image.Image) -> None:
    """Turn the picture itself: a turned copy would be one more in memory."""
    with contextlib.suppress(*_DAMAGE):  # an EXIF block that cannot be read names no orientation
        ImageOps.exif_transpose(image, in_place=True)


def _reduce(image: Image.Image) -> Image.Image:
    if max(image.size) <= MAX_EDGE_PX:
        return image
    scale = MAX_EDGE_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resample = Image.Resampling.NEAREST if image.mode in {"1", "P", "PA"} else Image.Resampling.BOX
    return image.resize(size, resample)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        return _eight_bit(image, name).convert("RGB")
    if image.mode == "F":
        raise PictureError(f"{name} holds floating-point values, not a photograph: save it as JPEG or PNG")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = _on_white(image)
    if profile and image.mode in {"RGB", "CMYK"}:
        return _to_srgb(image, profile)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    coloured = image.convert("RGBA")
    paper = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
    return Image.alpha_composite(paper, coloured).convert("RGB")


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Scale 16-bit grey to 8 bits; 65535 becomes 255."""
    grey = np.asarray(image).astype(np.int32)
    if grey.min() < 0 or grey.max() > np.iinfo(np.uint16).max:
        raise PictureError(f"{name} holds values beyond 16 bits, not a photograph: save it as JPEG or PNG")
    return Image.fromarray(((grey + _SIXTEEN_TO_EIGHT // 2) // _SIXTEEN_TO_EIGHT).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Turn an embedded colour profile (a phone's Display P3, a scanner's CMYK) into sRGB, or leave it as viewers do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_DAMAGE):
        return image.convert("RGB")
    return turned if turned is not None else image.convert("RGB")
