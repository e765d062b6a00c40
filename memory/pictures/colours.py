"""Any mode, depth and colour profile that a file may have, as RGB pixels in sRGB."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_PHOTOMETRIC, _LEAST, _MOST = 262, 340, 341  # tags of TIFF: what 0 means; the values of black and white
_WHITE_IS_ZERO = 0
_DEEP = 65535
STRIP = 2_000_000  # pixels that are worked on together


def in_srgb(image: Image.Image, keep_alpha: bool, depth: int = 8) -> Image.Image:
    """RGB pixels as a screen shows them; RGBA where there is transparency and `keep_alpha` asks for it.

    A new picture, without anything but its pixels. It is made in strips: a large one costs no more memory than what it
    was decoded to and what it becomes.

    Args:
        image: decoded, as its file has it, with the file's tags.
        keep_alpha: transparent parts stay; else they are laid on white.
        depth: bits a channel that a PNG says it has, for what it says is transparent.
    """
    tags = getattr(image, "tag_v2", {})
    made = Image.new("RGBA" if keep_alpha and image.has_transparency_data else "RGB", image.size)
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(image.height, top + rows))
        made.paste(_strip(image.crop(box), tags, keep_alpha, depth), box)
    return made


def _strip(image: Image.Image, tags: Any, keep_alpha: bool, depth: int) -> Image.Image:
    """Some rows of `in_srgb`."""
    image = _scaled_transparency(image, tags, depth)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = _eight_bit(image, tags)
    clear = None
    if image.has_transparency_data:
        clear = (image.convert("LA") if image.mode == "La" else image).convert("RGBA").getchannel("A")
    plain = _from_profile(image)
    if clear is None:
        return plain
    plain = plain.convert("RGBA")
    plain.putalpha(clear)
    return plain if keep_alpha else on_white(plain)


def on_white(image: Image.Image) -> Image.Image:
    """RGB pixels of an RGBA picture as they look on a white page."""
    page = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(page, image).convert("RGB")


def _from_profile(image: Image.Image) -> Image.Image:
    """RGB in sRGB, by the colour profile that the file carries; without one, or with a broken one, as it is."""
    profile = image.info.get("icc_profile")
    if image.mode in ("P", "PA", "RGBA", "RGBX", "RGBa"):
        colours = image.convert("RGBA").convert("RGB")
    elif image.mode in ("1", "LA", "La"):
        colours = (image.convert("LA") if image.mode == "La" else image).convert("L")
    else:
        colours = image
    if not profile or colours.mode not in ("RGB", "L", "CMYK", "LAB"):
        return colours.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        core: Any = source.profile
        space = str(core.xcolor_space).strip()
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(space) != colours.mode:
            return colours.convert("RGB")  # a profile of another kind of colours than the picture has
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        told = ImageCms.profileToProfile(colours, source, ImageCms.createProfile("sRGB"), intent, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # good pixels with a bad profile
        return colours.convert("RGB")
    return colours.convert("RGB") if told is None else told


def _scaled_transparency(image: Image.Image, tags: Any, depth: int) -> Image.Image:
    """A PNG of grey or RGB says in its own depth which value is transparent; Pillow has the pixels in 8 bits."""
    key = image.info.get("transparency")
    if depth == 8 or key is None or isinstance(key, bytes) or image.mode not in ("1", "L", "RGB", "I;16"):
        return image
    if image.mode == "I;16":
        values = np.asarray(image)
        grey = _eight_bit(image, tags)
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
        return grey

    def scaled(value: int) -> int:
        return value >> 8 if depth == 16 else value * 255 // (2**depth - 1)  # as Pillow does with the pixels

    plain = image.convert("L") if image.mode == "1" else image.copy()
    plain.info["transparency"] = scaled(key) if isinstance(key, int) else tuple(scaled(one) for one in key)
    return plain


def _eight_bit(image: Image.Image, tags: Any) -> Image.Image:
    """Grey of 8 bits, from integers of 16 or 32 bits or floats: by the range that the file names, else by its type."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = (_number(tags.get(tag)) for tag in (_LEAST, _MOST))
    if low is None or high is None or high <= low:
        low, high = 0.0, 1.0 if image.mode == "F" else float(_DEEP)
    shares = ((values - low) / (high - low)).clip(0, 1)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        shares = 1 - shares
    grey = Image.fromarray((shares * 255 + 0.5).astype(np.uint8))
    grey.info.update({name: one for name, one in image.info.items() if name != "transparency"})
    return grey


def _number(value: object) -> float | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return float(first) if isinstance(first, int | float) else None
