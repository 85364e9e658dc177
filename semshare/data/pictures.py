"""Pictures as people have them: known by their content, opened upright and in RGB, here for the whole package."""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# EPS runs a program of its own to be drawn; the others are known to Pillow by name, but none of them can it draw.
_NOT_OPENED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_HEIF = {b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_GREYS = (1, 255, 65535)  # where white lies in greys of more than 8 bits, unless the format says it
_PROFILED = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # the mode of the colours that a profile is of
_ALIKE = 2  # levels by which a profile that is sRGB's but in name may differ


class NoPictureError(UserError):
    """The content of a file is that of no picture, whatever its name says."""


def open_picture(path: Path) -> Image.Image:
    """The picture at ``path``, upright, as sRGB of 8 bits: the first frame of an animated one.

    The orientation that EXIF names is applied, and so is an embedded colour profile. Greys of 16 bits or more and of
    floating point keep their range. What is transparent is white.

    Raises:
        NoPictureError: a file that is no picture; the message names it, as all do.
        UserError: no file, one that cannot be read or ends early, or a picture too large to be honest.
    """
    with _opened(path) as image:
        try:
            return as_rgb(image)
        except Exception as error:  # on damaged bytes a format's decoder raises whatever it stumbles over
            raise UserError(f"{path}: cannot read this picture: {_reason(error)}") from None


def picture_from(content: bytes, name: str) -> Image.Image:
    """The picture in ``content``, as :func:`open_picture` gives one; what it raises calls the picture ``name``."""
    try:
        with Image.open(BytesIO(content), formats=_formats()) as image:
            return as_rgb(image)
    except UnidentifiedImageError:
        raise _no_picture(name, content[:12]) from None
    except Exception as error:  # as in open_picture
        raise UserError(f"{name}: cannot read this picture: {_reason(error)}") from None


def check_picture(path: Path) -> None:
    """Read the picture at ``path`` to its end, as cheaply as its format allows; raises as :func:`open_picture` does."""
    with _opened(path) as image:
        try:
            image.draft("RGB", (1, 1))  # a JPEG is read whole, but an eighth of its width and height computed
            as_rgb(image)
        except Exception as error:  # as in open_picture
            raise UserError(f"{path}: cannot read this picture: {_reason(error)}") from None


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of the picture at ``path`` as it is stored, from its beginning alone.

    Raises:
        UserError: as :func:`open_picture` does, but for what only the pixels would show.
    """
    with _opened(path) as image:
        return image.size


def check_is_picture(path: Path) -> None:
    """Look at the beginning of the file at ``path``; raises :class:`NoPictureError` where it is that of no picture."""
    _opened(path).close()


def _opened(path: Path) -> Image.Image:
    """The picture at ``path`` before its pixels are read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # whoever opens a pipe waits until somebody writes
            kind = "a folder" if path.is_dir() else "no file with a content"
            raise NoPictureError(f"{path}: cannot read this picture: found {kind}")
        return Image.open(path, formats=_formats())
    except UnidentifiedImageError:
        with open(path, "rb") as file:
            raise _no_picture(path, file.read(12)) from None
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: cannot read this picture: there is no such file") from None
    except Exception as error:  # as in open_picture
        raise UserError(f"{path}: cannot read this picture: {_reason(error)}") from None


@cache
def _formats() -> list[str]:
    """The formats that Pillow reads here, HEIC among them where pillow-heif is installed.

    From then on Pillow is silent on large pictures: it refuses only those of more than 179 million pixels.
    """
    # Once and not around each opening: what is hushed there is hushed, or not, in all threads that open pictures.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in Image.ID if name not in _NOT_OPENED]


@cache
def endings() -> frozenset[str]:
    """The endings of file names, as ``.jpg``, of the formats that are read here; a file's content decides, not they."""
    formats = set(_formats())
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in formats)


def as_rgb(image: Image.Image) -> Image.Image:
    """``image`` as :func:`open_picture` gives one, whoever opened it; raises what its decoder raises."""
    image.load()
    image = _upright(image)
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = _from_deep_grey(image)
    if profile:
        image = _in_srgb(image, profile)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    image = image.convert("RGB")
    image.info.pop("icc_profile", None)  # it says no more what these pixels are
    return image


def readers() -> str:
    """What pictures are read with here; a picture that could not be read may be with other ones."""
    return f"{Image.__version__}{' heif' if 'HEIF' in _formats() else ''}"


def _no_picture(path: Path | str, start: bytes) -> UserError:
    """Why Pillow knows no format of the picture at ``path``, which begins with ``start``."""
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    if brand in _HEIF and "HEIF" not in _formats():
        return UserError(f"{path}: cannot read this picture: it is HEIC; to read it, pip install 'semshare[heic]'")
    if brand in _AVIF and "AVIF" not in _formats():
        return UserError(f"{path}: cannot read this picture: it is AVIF; to read it, pip install 'pillow>=11.3'")
    if brand in _HEIF | _AVIF:
        return UserError(f"{path}: cannot read this picture: the file is damaged")
    return NoPictureError(f"{path}: cannot read this picture: {'its content is that of none' if start else 'empty'}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    """``image`` turned as its EXIF says; as it is where the EXIF is damaged."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:  # as in open_picture: what a damaged note says of the pixels is not known, the pixels are
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """``image`` with the colours that its ``profile`` means.

    As it is where the profile is damaged or of another kind of picture, and where it is sRGB's own.
    """
    mode = _PROFILED.get(profile[16:20])
    kinds = {"RGB": image.mode != "CMYK", "L": image.mode in ("1", "L", "LA"), "CMYK": image.mode == "CMYK"}
    if mode is None or not kinds[mode] or (transform := _to_srgb(profile, mode)) is None:
        return image
    colours = ImageCms.applyTransform(image.convert(mode), transform)
    if image.has_transparency_data:
        colours.putalpha(image.convert("RGBA").getchannel("A"))
    return colours


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What makes sRGB of pixels in ``mode`` with ``profile``; None where nothing can or need be made."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        # Unoptimised it is as fast, and exact in the shadows.
        flags, srgb = ImageCms.Flags.NOOPTIMIZE, ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(opened, srgb, mode, "RGB", flags=flags)
    except Exception:  # a stranger's bytes, or a Pillow without colour management: the pixels are all that is known
        return None
    if mode == "RGB":
        levels = np.linspace(0, 255, 18).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
        made = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
        if np.abs(made.astype(int) - colours).max() <= _ALIKE:
            return None
    return transform


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits a pixel, its blackest to its whitest value as 0 to 255."""
    pixels = np.asarray(image).astype(np.float64)
    finite = np.isfinite(pixels)
    low, high = _black_and_white(image, pixels[finite])
    grey = np.clip((np.where(finite, pixels, low) - low) / ((high - low) or 1) * 255, 0, 255).round().astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        grey[pixels == clear] = 255
    return Image.fromarray(grey)


def _black_and_white(image: Image.Image, values: np.ndarray) -> tuple[float, float]:
    """Which values of a deep grey picture are black and white.

    Those of its format (16 bits, or what a TIFF says); else the narrowest usual range that holds ``values``, or their
    own where none does.
    """
    tags = getattr(image, "tag_v2", {})
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if image.mode.startswith("I;16"):
        low, high = 0, 2 ** tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0] - 1
    elif image.format == "PPM":  # Pillow spreads its values
        low, high = 0, 65535
    elif low >= 0:
        low, high = 0, next((white for white in _GREYS if high <= white), high)
    return (high, low) if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else (low, high)


def stamp(path: Path) -> str:
    """What changes when the content of the file at ``path`` may have: size, both times and inode, and what reads it."""
    try:
        state = path.stat()
    except OSError as error:
        return str(error.strerror)
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {readers()}"


def content_digest(path: Path) -> str:
    """A digest of the content of the file at ``path``; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError:
        return ""


def unchanged(files: Mapping[str, Path], digests: Mapping[str, str]) -> set[str]:
    """Those of ``files`` (by id) whose content, read anew, still has the digest in ``digests``."""
    ids = [id for id in files if digests.get(id)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        now = list(pool.map(lambda id: content_digest(files[id]), ids))
    return {id for id, digest in zip(ids, now, strict=True) if digest == digests[id]}
