"""Stand-in data for Stanford Background: outdoor scenes, written as the 2009 release packs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from .standin_scenery import Canvas, Style, draw_scene, fractal

VERSION = 1  # raise it when the scenes change
SEED = 0
MANY = 100  # scenes; from here on a bar tells how long it takes
# How many of the real pictures each source has, by the first digit of the name.
SHARES = {0: 95, 1: 46, 2: 24, 3: 50, 4: 5, 5: 58, 6: 356, 8: 15, 9: 66}
SIZES = ((240, 320), (213, 320), (320, 240), (320, 213), (214, 320))  # (h, w) in pixels
SIZE_SHARES = (0.75, 0.1, 0.05, 0.05, 0.05)
SURFACES = np.array([0, 2, 1, 1, 1, 2, 2, 2, -1])  # of each region; the last is unknown's


def write(tree: Path, count: int) -> None:
    """Write `count` scenes as an `iccv09Data` tree: pictures, label maps, horizons, README.

    One seed, the same bytes. Names begin with a source's digit; each source has its own style.
    """
    for folder in ("images", "labels"):
        (tree / folder).mkdir(parents=True)
    (tree / "README").write_text("Stand-in data: generated scenes, not the ICCV 2009 data set.\n")
    horizons = []
    for name in tqdm(_names(count), desc="stand-in scenes", disable=count < MANY, mininterval=1):
        random = np.random.default_rng([SEED, int(name)])
        canvas = _scene(random, Style.of_source(int(name[0])))
        height, width = canvas.regions.shape
        horizons.append(f"{name} {width} {height} {canvas.horizon:.6f}\n")
        _write_picture(tree / "images" / f"{name}.jpg", canvas.picture)
        for kind, labels in _labels(canvas, random).items():
            (tree / "labels" / f"{name}.{kind}.txt").write_bytes(as_text(labels))
    (tree / "horizons.txt").write_text("".join(horizons))


def _names(count: int) -> list[str]:
    """Sorted names such as "6000042": one scene of each source, the others in the real shares."""
    sources, shares = list(SHARES), np.array(list(SHARES.values()))
    more = np.random.default_rng(SEED).choice(sources, max(0, count), p=shares / shares.sum())
    chosen = (sources + more.tolist())[:count]
    return sorted(f"{source}{number:06d}" for number, source in enumerate(chosen))


def _scene(random: np.random.Generator, style: Style) -> Canvas:
    size = SIZES[random.choice(len(SIZES), p=SIZE_SHARES)]
    canvas = draw_scene(size, style, random)
    canvas.picture = style.seen(canvas.picture, random)
    return canvas


def _write_picture(path: Path, picture: np.ndarray) -> None:
    pixels = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
    pixels.filter(ImageFilter.GaussianBlur(0.6)).save(path, quality=90)


def _labels(canvas: Canvas, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The three label maps; unknown lies along some borders, as with human annotators."""
    regions = canvas.regions.astype(np.int64)
    border = np.zeros(regions.shape, bool)
    border[1:] |= regions[1:] != regions[:-1]
    border[:, 1:] |= regions[:, 1:] != regions[:, :-1]
    doubt = fractal(regions.shape, 12, random)
    surfaces = np.where(border & (doubt > 0.8), -1, SURFACES[regions])
    unknown = border & (doubt > 0.55)
    if random.random() < 0.2:
        unknown[:, : random.integers(1, 4)] = True
    return {
        "regions": np.where(unknown, -1, regions),
        "surfaces": surfaces,
        "layers": canvas.layers.astype(np.int64),
    }


def as_text(labels: np.ndarray) -> bytes:
    """A label map as the release writes it: numbers with a space between, one row a line."""
    if labels.max() > 9:
        return "".join(" ".join(map(str, row)) + "\n" for row in labels.tolist()).encode()
    symbols = np.full((labels.shape[0], 2 * labels.shape[1]), ord(" "), np.uint8)
    symbols[:, 0::2] = labels + ord("0")
    symbols[:, -1] = ord("\n")
    return symbols.tobytes().replace(b"/", b"-1")  # "/" stands before "0"
