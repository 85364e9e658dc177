"""Pictures as people have them: turned, deep, transparent, moving, cut, disguised, and what is none."""

from __future__ import annotations

import io
import itertools
import os
import struct
import sys
import types
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from semshare.data import pictures
from semshare.data.pictures import (
    NoPictureError,
    as_rgb,
    check_is_picture,
    check_picture,
    open_picture,
    picture_from,
    picture_size,
)
from semshare.errors import UserError

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def half_red() -> Image.Image:
    """Red on the left, white on the right, twice as wide as high."""
    picture = Image.new("RGB", (32, 16), "white")
    picture.paste("red", (0, 0, 16, 16))
    return picture


def is_red(picture: Image.Image, x: int, y: int) -> bool:
    red, green, blue = picture.getpixel((x, y))
    return red > 200 and green < 60 and blue < 60


# What stands where the left half of the stored picture was, for each orientation of EXIF 2.32, 4.6.4 A.
LEFT_GOES = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}


@pytest.mark.parametrize("orientation", LEFT_GOES)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_a_picture_stands_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    half_red().save(tmp_path / f"a.{ending}", exif=exif)
    opened = open_picture(tmp_path / f"a.{ending}")
    side = LEFT_GOES[orientation]
    assert opened.size == ((32, 16) if side in ("left", "right") else (16, 32))
    width, height = opened.size
    points = {"left": (2, 8), "right": (width - 3, 8), "top": (8, 2), "bottom": (8, height - 3)}
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[side]
    assert is_red(opened, *points[side]) and not is_red(opened, *points[opposite])
    assert as_rgb(opened).tobytes() == opened.tobytes()  # turned once


def test_damaged_exif_leaves_the_pixels(tmp_path: Path) -> None:
    half_red().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x07" * 30)
    assert is_red(open_picture(tmp_path / "a.jpg"), 2, 8)


def write_grey(folder: Path, kind: str) -> Path:
    """256 levels from black to white, deeper than 8 bits."""
    deep = RAMP.astype(np.uint16) * 257
    path = folder / f"{kind}.{'png' if kind == 'png' else 'pgm' if kind == 'pgm' else 'tif'}"
    if kind == "pgm":
        path.write_bytes(b"P5 16 16 65535\n" + deep.astype(">u2").tobytes())
        return path
    pixels = {
        "png": deep,
        "sixteen": deep,
        "whole": deep.astype(np.int32),
        "huge": RAMP.astype(np.int32) * 1_000_000,
        "unit": RAMP.astype(np.float32) / 255,
        "bytes": RAMP.astype(np.float32),
        "signed": RAMP.astype(np.float32) / 100 - 1,
        "reversed": 65535 - deep,
    }[kind]
    Image.fromarray(pixels).save(path, **({"tiffinfo": {262: 0}} if kind == "reversed" else {}))
    return path


@pytest.mark.parametrize("kind", ["png", "sixteen", "pgm", "whole", "huge", "unit", "bytes", "signed", "reversed"])
def test_deep_greys_keep_their_levels(tmp_path: Path, kind: str) -> None:
    opened = np.asarray(open_picture(write_grey(tmp_path, kind)))
    np.testing.assert_array_equal(opened, np.stack([RAMP] * 3, -1))


def test_what_is_no_number_is_black_and_a_plain_float_picture_too(tmp_path: Path) -> None:
    pixels = RAMP.astype(np.float32) / 255
    pixels[0, 5], pixels[0, 6] = np.nan, np.inf
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    opened = np.asarray(open_picture(tmp_path / "a.tif"))[..., 0]
    assert opened[0, 5] == opened[0, 6] == 0 and (opened[1:] == RAMP[1:]).all()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "b.tif")
    assert np.asarray(open_picture(tmp_path / "b.tif")).max() == 0


@pytest.mark.parametrize("name", ["RGBA.png", "RGBA.webp", "RGBA.tif", "LA.png", "P.png", "P.gif", "RGB.png", "L.png"])
def test_what_is_transparent_is_white(tmp_path: Path, name: str) -> None:
    mode = name.partition(".")[0]
    saved = {}
    if mode in ("RGBA", "LA"):
        picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
        picture = picture.convert(mode)
        saved = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    elif mode == "P":
        picture = Image.new("P", (8, 8), 1)
        picture.putpalette([0, 0, 0, 200, 0, 0])  # red is hidden
        picture.paste(0, (0, 0, 4, 8))
        saved = {"transparency": 1}
    else:
        clear = (9, 8, 7) if mode == "RGB" else 9
        picture = Image.new(mode, (8, 8), clear)
        picture.paste(0, (0, 0, 4, 8))
        saved = {"transparency": clear}
    picture.save(tmp_path / name, **saved)
    opened = open_picture(tmp_path / name)
    assert (opened.mode, opened.getpixel((1, 1)), opened.getpixel((6, 6))) == ("RGB", (0, 0, 0), (255, 255, 255))


def test_half_transparent_black_is_grey(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 51)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").getpixel((0, 0)) == (204, 204, 204)  # a fifth black, four fifths white


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_cmyk_keeps_its_colours(tmp_path: Path, ending: str) -> None:
    inks = {(255, 0, 0, 0): (0, 255, 255), (0, 255, 255, 0): (255, 0, 0), (0, 0, 0, 255): (0, 0, 0)}
    for ink, colour in inks.items():
        Image.new("CMYK", (16, 16), ink).save(tmp_path / f"a.{ending}")
        found = open_picture(tmp_path / f"a.{ending}").getpixel((8, 8))
        assert max(abs(one - other) for one, other in zip(found, colour, strict=True)) < 6


ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]  # red, green, blue
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]  # all under D50
D50 = (0.9642, 1.0, 0.8249)
CYAN = (60, -20, -30)  # CIELAB of full cyan ink, inside sRGB


def fixed(values: Sequence[float]) -> bytes:
    """Numbers as ICC.1 writes them, with 16 bits after the point."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04) made of ``tags``."""
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(D50), b"cprt": b"text" + bytes(4) + b"none\0"} | tags
    table, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s28x", 128 + len(table + content), 0x02400000, kind, space, connection, b"acsp")
    return head + fixed(D50) + bytes(128 - len(head) - 12) + table + content


def of_colours(primaries: Sequence[Sequence[float]], gamma: float) -> bytes:
    """The profile of an RGB space."""
    curve = b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))
    points = {name: b"XYZ " + bytes(4) + fixed(point) for name, point in zip(COLUMNS, primaries, strict=True)}
    return profile(b"RGB ", points | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


COLUMNS = (b"rXYZ", b"gXYZ", b"bXYZ")


def of_inks() -> bytes:
    """A printer's profile: paper is white, each ink takes away its part of light and colour."""
    ramp = bytes(range(256))
    corners = b""
    for inks in itertools.product((0, 1), repeat=4):  # the last one, black, changes fastest
        light, a, b = (100, 0, 0) if not any(inks) else CYAN if inks == (1, 0, 0, 0) else (0, 0, 0)
        corners += bytes((round(light * 2.55), a + 128, b + 128))
    head = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    return profile(b"CMYK", {b"A2B0": head + 4 * ramp + corners + 3 * ramp}, b"Lab ", b"prtr")


def srgb_of(xyz: Sequence[float]) -> np.ndarray:
    """IEC 61966-2-1, from XYZ under D50."""
    linear = np.clip(np.linalg.solve(np.array(SRGB).T, np.array(xyz)), 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def xyz_of_lab(light: float, a: float, b: float) -> list[float]:
    """CIE 15: for colours that are not nearly black."""
    y = (light + 16) / 116
    return [white * root**3 for white, root in zip(D50, (y + a / 500, y, y - b / 200), strict=True)]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "avif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_colour_profile_says_which_colours_are_meant(tmp_path: Path, mode: str, ending: str) -> None:
    if (mode != "RGB" and ending in ("jpg", "avif", "webp")) or (ending == "avif" and not features.check("avif")):
        pytest.skip("not in this format")
    values = (200, 100, 60)
    picture = Image.new("RGB", (16, 16), values)
    picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
    lossy = {"quality": 100} if ending in ("jpg", "avif") else {"lossless": True} if ending == "webp" else {}
    picture.save(tmp_path / f"a.{ending}", icc_profile=of_colours(ADOBE, 2.19921875), **lossy)
    opened = open_picture(tmp_path / f"a.{ending}")
    expected = srgb_of(np.array(ADOBE).T @ (np.array(values) / 255) ** 2.19921875)
    assert np.abs(expected - values).max() > 15, "another colour than the bare numbers"
    assert np.abs(np.array(opened.getpixel((8, 8))) - expected).max() < (2 if not lossy or "lossless" in lossy else 4)
    assert "icc_profile" not in opened.info and as_rgb(opened).tobytes() == opened.tobytes()  # converted once


def test_hidden_colours_stay_hidden_under_a_profile(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (8, 8), (0, 200, 0, 0))
    picture.paste((255, 255, 255, 255), (0, 0, 4, 8))
    picture.save(tmp_path / "a.png", icc_profile=of_colours(ADOBE, 2.19921875))
    assert open_picture(tmp_path / "a.png").getcolors() == [(64, (255, 255, 255))]


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_inks_are_mixed_as_their_profile_says(tmp_path: Path, ending: str) -> None:
    for ink, lab in {(255, 0, 0, 0): CYAN, (0, 0, 0, 0): (100, 0, 0)}.items():
        lossless = {"quality": 100} if ending == "jpg" else {}
        Image.new("CMYK", (16, 16), ink).save(tmp_path / f"a.{ending}", icc_profile=of_inks(), **lossless)
        found = open_picture(tmp_path / f"a.{ending}").getpixel((8, 8))
        assert np.abs(np.array(found) - srgb_of(xyz_of_lab(*lab))).max() < 3, found


@pytest.mark.parametrize("depth", [8, 16])
def test_greys_follow_their_profile(tmp_path: Path, depth: int) -> None:
    linear = profile(b"GRAY", {b"kTRC": b"curv" + struct.pack(">4xI", 0)})
    grey = RAMP if depth == 8 else RAMP.astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "a.png", icc_profile=linear)
    opened = np.asarray(open_picture(tmp_path / "a.png")).astype(float)
    expected = np.array([srgb_of(np.array(SRGB).sum(0) * level / 255)[0] for level in range(256)]).reshape(16, 16)
    assert np.abs(opened - expected[..., None]).max() < 2


def test_a_profile_of_srgb_leaves_every_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=own)
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.png")), pixels)


BROKEN = {
    "rubbish": b"no profile at all",
    "empty": b"",
    "cut": of_colours(ADOBE, 2.2)[:200],
    "zeros": bytes(600),
    "a head alone": of_colours(ADOBE, 2.2)[:128],
    "of inks": of_inks(),
    "of greys": profile(b"GRAY", {b"kTRC": b"curv" + struct.pack(">4xI", 0)}),
    "of no space": of_colours(ADOBE, 2.2).replace(b"RGB ", b"XXXX", 1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_profile_that_is_broken_or_of_another_kind_leaves_the_pixels(tmp_path: Path, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=BROKEN[kind])
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.png")), pixels)
    check_picture(tmp_path / "a.png")
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "b.tif", icc_profile=of_colours(ADOBE, 2.2))
    assert open_picture(tmp_path / "b.tif").getpixel((8, 8)) == (0, 255, 255)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif", "mpo"])
def test_the_first_frame_is_taken(tmp_path: Path, ending: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:])
    assert is_red(open_picture(tmp_path / f"a.{ending}"), 8, 8)


@pytest.mark.parametrize("name", ["a", "a.jfif", "a.jpe", "a.txt", "a.png", "a.JPG"])
def test_the_content_says_what_a_picture_is(tmp_path: Path, name: str) -> None:
    half_red().save(tmp_path / name, "JPEG")
    check_is_picture(tmp_path / name)
    assert is_red(open_picture(tmp_path / name), 2, 8)


@pytest.mark.parametrize("format", ["JPEG2000", "AVIF"])
def test_newer_formats_are_read_where_pillow_reads_them(tmp_path: Path, format: str) -> None:
    if format not in pictures._formats():
        pytest.skip(f"this Pillow reads no {format}")
    half_red().save(tmp_path / "a", format)
    assert is_red(open_picture(tmp_path / "a"), 2, 8)


NO_PICTURES = {
    "notes.txt": b"hello\nworld\n" * 50,
    "Thumbs.db": bytes.fromhex("D0CF11E0A1B11AE1") + bytes(2000),
    "._photo.jpg": bytes.fromhex("0005160700020000") + b"Mac OS X        " + bytes(4000),
    "desktop.ini": b"[.ShellClassInfo]\r\nIconIndex=1\r\n",
    "film.mp4": b"\0\0\0\x18ftypmp42" + bytes(500),
    "film.mov": b"\0\0\0\x14ftypqt  " + bytes(300),
    "film.mpg": b"\0\0\1\xb3\x16\0\xf0\xc4" + bytes(100),
    "paper.pdf": b"%PDF-1.4\n" + b"x" * 500,
    "program.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/tmp/x) (w) file\n",
    "zeros.jpg": bytes(3000),
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_said_to_be_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(NO_PICTURES[name])
    for read in (open_picture, check_picture, check_is_picture):
        with pytest.raises(NoPictureError, match=r"cannot read this picture: its content is that of none"):
            read(tmp_path / name)


def test_what_lies_elsewhere_than_in_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(NoPictureError, match=r"pipe\.jpg: cannot read this picture: found no file with a content"):
        open_picture(tmp_path / "pipe.jpg")
    with pytest.raises(NoPictureError, match=r"found a folder"):
        open_picture(tmp_path)
    with pytest.raises(NoPictureError, match=r"empty\.jpg: cannot read this picture: empty"):
        open_picture(tmp_path / "empty.jpg")
    with pytest.raises(UserError, match=r"gone\.jpg: cannot read this picture: there is no such file"):
        open_picture(tmp_path / "gone.jpg")


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "TGA", "JPEG2000", "QOI"])
def test_a_picture_that_ends_early_is_told(tmp_path: Path, format: str, share: float) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(file, format)
    (tmp_path / "cut").write_bytes(file.getvalue()[: int(len(file.getvalue()) * share)])
    for read in (open_picture, check_picture):
        with pytest.raises(UserError, match=r"cut: cannot read this picture: .+"):
            read(tmp_path / "cut")
    (tmp_path / "whole").write_bytes(file.getvalue())
    check_picture(tmp_path / "whole")


def test_a_picture_of_billions_of_pixels_is_told(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(UserError, match=r"bomb\.png: cannot read this picture: .*2500000000 pixels"):
        open_picture(tmp_path / "bomb.png")


def test_a_picture_of_a_hundred_million_pixels_is_opened_without_a_word(tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    content = (tmp_path / "large.png").read_bytes()
    pictures._formats.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.resetwarnings()  # what each test begins with knows nothing of what was hushed before it
        assert picture_size(tmp_path / "large.png") == (10_000, 10_000)
        with pytest.raises(UserError):
            picture_from(content[:-99], "large")
        assert told == []
        warnings.warn("another", RuntimeWarning, stacklevel=1)
        assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # whoever asks for an error still has one
        with pytest.raises(UserError, match=r"large\.png: cannot read this picture: Image size"):
            picture_size(tmp_path / "large.png")


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_heic_is_named_with_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(HEIC)
    monkeypatch.setattr(pictures, "_formats", lambda: ["JPEG", "PNG"])
    with pytest.raises(UserError, match=r"it is HEIC; to read it, pip install 'semshare\[heic\]'") as caught:
        open_picture(tmp_path / "a.jpg")
    assert not isinstance(caught.value, NoPictureError)


def test_pillow_heif_is_asked_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    stand_in = types.SimpleNamespace(register_heif_opener=lambda: asked.append(True))
    monkeypatch.setitem(sys.modules, "pillow_heif", stand_in)
    pictures._formats.cache_clear()
    pictures._formats()
    pictures._formats.cache_clear()
    assert asked == [True]


def test_heic_is_read_by_pillow_heif(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    half_red().resize((128, 64)).save(tmp_path / "a.jpg", "HEIF")
    assert is_red(open_picture(tmp_path / "a.jpg"), 20, 30)
