"""What arithmetic alone tells of a picture: sharpness, exposure, colours by name, a hash, codes. No model is asked.

The thresholds were set on photographs that ship with scikit-image, as they are, blurred and darkened; a test holds
them to that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

LOOK = 512  # px: the longer side at which sharpness, exposure and colours are measured
CODE_LOOK = 2048  # px: the same for codes, which are fine
COLORS_NAMED = 5  # at most
SHARE_NAMED = 0.04  # what covers less is not named
CODES = 5  # at most

# Several examples of what people call by each name, sRGB; a pixel has the name of the nearest in OKLab.
PALETTE: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((0, 0, 0), (24, 24, 26)),
    "grey": ((64, 64, 66), (100, 100, 102), (128, 128, 128), (160, 160, 162), (192, 192, 194)),
    "white": ((255, 255, 255), (236, 236, 236)),
    "red": ((214, 40, 40), (255, 0, 0), (150, 20, 25), (230, 80, 70)),
    "orange": ((245, 130, 25), (255, 165, 0), (220, 110, 30)),
    "yellow": ((248, 214, 40), (255, 255, 0), (230, 200, 80)),
    "green": ((46, 160, 60), (0, 255, 0), (20, 80, 30), (130, 190, 90), (90, 110, 50)),
    "turquoise": ((64, 200, 190), (0, 150, 150)),
    "blue": ((40, 90, 215), (0, 0, 255), (20, 30, 100), (110, 170, 230), (70, 110, 160)),
    "purple": ((128, 55, 170), (90, 30, 110), (170, 120, 210)),
    "pink": ((250, 140, 190), (255, 190, 205), (230, 70, 140)),
    "brown": ((120, 72, 36), (80, 45, 25), (150, 100, 60), (165, 120, 85)),
    "beige": ((222, 203, 170), (235, 222, 200), (196, 172, 138)),
}


def inspect(image: Image.Image) -> dict[str, Any]:
    """Everything that `inspection_text` says but the date: JSON values.

    Args:
        image: RGB.
    """
    small = image.convert("RGB")
    small.thumbnail((LOOK, LOOK), Image.Resampling.BOX)
    pixels = np.asarray(small)
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    return {
        "size": list(image.size),
        "sharpness": round(sharpness(grey), 4),
        "exposure": exposure(grey),
        "colors": [[name, round(share, 4)] for name, share in colors(pixels)],
        "hash": perceptual_hash(image),
        "codes": codes(image),
    }


def inspection_text(handle: str, facts: dict[str, Any]) -> str:
    """The observation: what `inspect` found, and `facts["taken"]` where the date is known."""
    from .quoting import quoted

    score = facts["sharpness"]
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in facts["colors"])
    found = ", ".join(f"{kind} {quoted(text, 200)}" for kind, text in facts["codes"]) or "no codes"
    width, height = facts["size"]
    return (
        f"{handle}: {width} x {height} px; {sharpness_word(score)} ({score:.2f}); {facts['exposure']}; "
        f"colours: {shares}; hash {facts['hash']}; {found}; date taken {facts.get('taken') or 'unknown'}."
    )


def sharpness(grey: np.ndarray) -> float:
    """How sharp, 0 to 1: the variance of the Laplacian (Pech-Pacheco et al. 2000), less what noise would explain.

    Measured beside the variance of the picture's own grey levels, so that a dim picture is not called blurred.

    Args:
        grey: (height, width) grey levels in 0..255.
    """
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    contrast = float(inner.var())
    if contrast < 4:  # nearly one colour: nothing could be sharp
        return 0.0
    ratio = float(laplacian.var()) / contrast
    return ratio / (ratio + 0.05)


def sharpness_word(score: float) -> str:
    """Sharp, soft or blurred."""
    return "sharp" if score >= 0.45 else "soft" if score >= 0.12 else "blurred"


def exposure(grey: np.ndarray) -> str:
    """Whether a picture is too dark or too light, in words.

    Args:
        grey: (height, width) grey levels in 0..255.
    """
    dark, light, middle = float((grey < 20).mean()), float((grey > 250).mean()), float(np.median(grey))
    if middle < 40 and light < 0.02:
        return "underexposed"
    if light > 0.5 or (middle > 235 and dark < 0.02):
        return "overexposed"
    if dark > 0.25 and light > 0.1:
        return "high contrast"
    return "well exposed"


def colors(pixels: np.ndarray) -> list[tuple[str, float]]:
    """The colours that cover the most, with their shares.

    Args:
        pixels: (height, width, 3) uint8 sRGB.
    """
    names = [name for name, examples in PALETTE.items() for _ in examples]
    palette = oklab(np.array([example for examples in PALETTE.values() for example in examples]))
    seen, counts = np.unique(pixels.reshape(-1, 3) >> 3, axis=0, return_counts=True)
    points = oklab((seen.astype(np.float64) + 0.5) * 8)
    weights = np.array([0.7, 1.6, 1.6])  # hue tells colours apart more than lightness does
    far = (((points[:, None] - palette[None]) * weights) ** 2).sum(-1)
    shares: dict[str, float] = {}
    for best, count in zip(far.argmin(1), counts, strict=True):
        shares[names[best]] = shares.get(names[best], 0.0) + float(count)
    total = float(counts.sum())
    ranked = sorted(((name, share / total) for name, share in shares.items()), key=lambda pair: -pair[1])
    return [pair for pair in ranked[:COLORS_NAMED] if pair[1] >= SHARE_NAMED] or ranked[:1]


def oklab(rgb: np.ndarray) -> np.ndarray:
    """SRGB in 0..255, (..., 3), as OKLab (Ottosson 2020), in which distances are about as people see them."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


def perceptual_hash(image: Image.Image) -> str:
    """16 hexadecimal digits that stay nearly the same when a picture is scaled or saved anew (pHash).

    The signs of the 8 x 8 lowest frequencies of the 32 x 32 grey picture against their median.
    """
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), dtype=np.float64)
    at = np.arange(32)
    basis = np.cos(np.pi * (2 * at[None] + 1) * np.arange(8)[:, None] / 64)  # (8, 32), the DCT's lowest rows
    low = basis @ grey @ basis.T
    bits = low > np.median(low.ravel()[1:])
    return np.packbits(bits.ravel()).tobytes().hex()


def codes(image: Image.Image) -> list[list[str]]:
    """QR and bar codes, as [kind, text]: "QR code", "EAN-13"."""
    import zxingcpp

    look = image.convert("L")
    look.thumbnail((CODE_LOOK, CODE_LOOK), Image.Resampling.BOX)
    found = zxingcpp.read_barcodes(np.asarray(look))
    return [[_kind(str(one.format)), one.text] for one in found if one.valid][:CODES]


def _kind(name: str) -> str:
    bare = name.rpartition(".")[2]
    return {"QRCode": "QR code", "QR Code": "QR code"}.get(bare, bare)
