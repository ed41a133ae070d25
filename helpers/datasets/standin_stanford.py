"""Stand-in data for Stanford Background: generated scenes, packed as the 2009 release is.

A scene is painted from far to near: bands (sky, mountains, ground, a row of trees), then blobs
(buildings, trees, objects in front), each with the colours and the texture of its class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

VERSION = 2  # raise it when the scenes change
SEED = 0
MANY = 100  # scenes; from here on a bar says how long it takes
# How many of the real pictures each source has, by the first digit of the name.
SHARES = {0: 95, 1: 46, 2: 24, 3: 50, 4: 5, 5: 58, 6: 356, 8: 15, 9: 66}
SIZES = ((240, 320), (213, 320), (320, 240), (320, 213), (214, 320))  # (h, w) in pixels
SIZE_SHARES = (0.75, 0.1, 0.05, 0.05, 0.05)
SURFACES = np.array([0, 2, 1, 1, 1, 2, 2, 2, -1])  # of each region; the last is unknown's

SKY, TREE, ROAD, GRASS, WATER, BUILDING, MOUNTAIN, OBJECT = range(8)
# Of each setting: probabilities of mountains and of a row of trees, mean numbers of buildings and
# of trees, and what the ground may be.
SETTINGS = (
    (0.1, 0.4, 4.0, 0.8, (ROAD, ROAD, GRASS)),  # town
    (0.3, 0.8, 0.9, 1.6, (GRASS,)),  # field
    (0.4, 0.3, 0.5, 0.7, (WATER,)),  # coast
    (1.0, 0.6, 0.3, 1.0, (GRASS, WATER)),  # hills
)
# Of each region: two colours (RGB in 0..1) between which it lies, bumps of its texture across the
# picture, how much longer than high they are, and the texture's strength.
LOOKS = {
    SKY: ((0.45, 0.62, 0.88), (0.75, 0.82, 0.90), 3, 2, 0.35),
    TREE: ((0.12, 0.22, 0.08), (0.22, 0.34, 0.14), 40, 1, 1.6),
    ROAD: ((0.40, 0.39, 0.38), (0.58, 0.53, 0.46), 30, 3, 0.4),
    GRASS: ((0.24, 0.40, 0.12), (0.45, 0.52, 0.22), 30, 2, 0.7),
    WATER: ((0.14, 0.28, 0.38), (0.38, 0.50, 0.60), 10, 6, 0.8),
    BUILDING: ((0.62, 0.36, 0.28), (0.82, 0.77, 0.66), 20, 1, 0.2),
    MOUNTAIN: ((0.36, 0.36, 0.36), (0.50, 0.52, 0.58), 14, 1, 0.7),
    OBJECT: ((0.80, 0.10, 0.10), (0.10, 0.15, 0.60), 6, 1, 0.5),
}


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
        scene = Scene(SIZES[random.choice(len(SIZES), p=SIZE_SHARES)], int(name[0]), random)
        height, width = scene.regions.shape
        horizons.append(f"{name} {width} {height} {scene.horizon:.6f}\n")
        scene.picture().save(tree / "images" / f"{name}.jpg", quality=90)
        for kind, labels in scene.labels().items():
            (tree / "labels" / f"{name}.{kind}.txt").write_bytes(as_text(labels))
    (tree / "horizons.txt").write_text("".join(horizons))


def _names(count: int) -> list[str]:
    """Sorted names such as "6000042": one scene of each source, the others in the real shares."""
    sources, shares = list(SHARES), np.array(list(SHARES.values()))
    more = np.random.default_rng(SEED).choice(sources, max(0, count), p=shares / shares.sum())
    chosen = (sources + more.tolist())[:count]
    return sorted(f"{source}{number:06d}" for number, source in enumerate(chosen))


def noise(
    size: tuple[int, int], cells: int, random: np.random.Generator, stretch: int = 1
) -> np.ndarray:
    """Cloudy noise in about 0..1: `cells` bumps across, and finer ones on top."""
    total = np.zeros(size)
    for octave in range(3):
        across = 2 + (cells << octave)
        grid = random.random((2 + across * stretch * size[0] // size[1], across), np.float32)
        image = Image.fromarray(grid).resize(size[::-1], Image.Resampling.BICUBIC)
        total += np.asarray(image) / 2**octave
    return total / 1.75


class Scene:
    """One scene: colours (h, w, 3) in 0..1, regions and layers (h, w), horizon (a row)."""

    def __init__(self, size: tuple[int, int], source: int, random: np.random.Generator) -> None:
        self.random, self.source = random, source
        self.colours = np.zeros((*size, 3))
        self.regions, self.layers = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.rows, self.columns = np.mgrid[: size[0], : size[1]]
        self.horizon = size[0] * random.uniform(0.38, 0.58)
        # Half of a source's scenes and more are of one setting.
        setting = SETTINGS[source % 4 if random.random() < 0.5 else random.integers(4)]
        mountains, tree_row, buildings, trees, grounds = setting
        self._paint(self.rows >= 0, SKY)
        if random.random() < mountains:
            self._paint(self._above_horizon(0.35, 3), MOUNTAIN)
        self._draw_ground(random.choice(grounds))
        if random.random() < tree_row:
            self._paint(self._above_horizon(0.12, 8), TREE)
        for draw, mean in ((self._draw_building, buildings), (self._draw_tree, trees)):
            for _ in range(random.poisson(mean)):
                draw()
        for _ in range(1 + random.poisson(1)):
            self._draw_object()

    def _paint(self, mask: np.ndarray, region: int) -> None:
        """Lay a region with its colour and texture over what is there."""
        first, second, cells, stretch, strength = LOOKS[region]
        texture = noise(mask.shape, cells, self.random, stretch)[mask, None]
        colour = first + self.random.random() * np.subtract(second, first)
        self.colours[mask] = colour * (1 + strength * (texture - 0.5))
        self.layers[mask] = self.layers.max() + (region != SKY)
        self.regions[mask] = region

    def _above_horizon(self, share: float, cells: int) -> np.ndarray:
        """A band that rises from the horizon up to about `share` of the picture's height."""
        height, width = self.regions.shape
        ridge = share * height * (1.6 * noise((8, width), cells, self.random)[4] - 0.2)
        return (self.rows > self.horizon - ridge) & (self.rows < self.horizon + 2)

    def _draw_ground(self, region: int) -> None:
        """The ground; a road to the horizon lies on grass, a shore in front of water."""
        depth = (self.rows - self.horizon) / (len(self.rows) - self.horizon)  # 0..1
        width = self.columns.shape[1]
        self._paint(depth > 0, region)
        if region == WATER:
            bay = noise((8, width), 2, self.random)[4]
            self._paint(depth > 0.3 + 0.6 * bay, self.random.choice([GRASS, ROAD]))
        elif region == GRASS and self.random.random() < 0.6:
            start, foot, half = width * self.random.uniform([0.3, 0.2, 0.15], [0.7, 0.8, 0.4])
            aside = abs(self.columns - start - (foot - start) * depth)
            self._paint((depth > 0) & (aside < half * depth), ROAD)

    def _place(self, nearest: float) -> tuple[float, float, float]:
        """A column, a row below the horizon, and a size in pixels that grows towards the front."""
        height, width = self.regions.shape
        depth = self.random.uniform(0.02, nearest)
        row = self.horizon + depth * (height - self.horizon)
        return width * self.random.uniform(0.05, 0.95), row, height * (0.06 + 0.25 * depth)

    def _draw_building(self) -> None:
        """A front with windows under a flat or pointed roof."""
        x, foot, _ = self._place(0.2)
        height, width = self.regions.shape
        half, tall = self.random.uniform([0.06, 0.15], [0.17, 0.4]) * (width, height)
        aside = abs(self.columns - x)
        roof = foot - tall - self.random.choice([0, 0.1]) * height * (1 - aside / half)
        front = (aside < half) & (self.rows > roof) & (self.rows < foot)
        self._paint(front, BUILDING)
        pace = self.random.uniform(11, 20)
        windows = (self.columns % pace < pace / 2) & ((self.rows - foot + tall) % pace > pace / 2)
        self.colours[front & windows & (self.rows > foot - tall)] *= 0.4

    def _draw_tree(self) -> None:
        """A round crown with a ragged edge, and a trunk."""
        x, foot, size = self._place(0.35)
        middle = foot - 2.2 * size
        ragged = 0.6 + 0.8 * noise(self.regions.shape, 18, self.random)
        crown = np.hypot(self.columns - x, self.rows - middle) < 1.5 * size * ragged
        trunk = (abs(self.columns - x) < size / 6) & (self.rows > middle) & (self.rows < foot)
        self._paint(crown | trunk, TREE)

    def _draw_object(self) -> None:
        """A body and a head: upright like a person, or on all fours."""
        x, foot, size = self._place(0.75)
        wide, tall = self.random.choice([(0.3, 0.9), (0.9, 0.45)])
        body = np.hypot((self.columns - x) / wide, (self.rows - foot + size * tall) / tall) < size
        head_x, head_y = (x, foot - 2 * size) if tall > wide else (x + size, foot - size)
        head = np.hypot(self.columns - head_x, self.rows - head_y) < 0.27 * size
        self._paint(body | head, OBJECT)

    def picture(self) -> Image.Image:
        """The scene as its source's camera renders it."""
        style = np.random.default_rng([7, self.source])
        cast, contrast = style.uniform(0.85, 1.12, 3), style.uniform(0.75, 1.1)
        light = ((self.colours - 0.5) * contrast + 0.5) * cast
        light += self.random.normal(0, 0.03, light.shape)
        pixels = Image.fromarray((light.clip(0, 1) * 255).astype(np.uint8))
        return pixels.filter(ImageFilter.GaussianBlur(0.6))

    def labels(self) -> dict[str, np.ndarray]:
        """The three label maps; unknown lies along some borders, as with human annotators."""
        border = np.zeros(self.regions.shape, bool)
        border[1:] |= self.regions[1:] != self.regions[:-1]
        border[:, 1:] |= self.regions[:, 1:] != self.regions[:, :-1]
        doubt = noise(self.regions.shape, 12, self.random)
        return {
            "regions": np.where(border & (doubt > 0.55), -1, self.regions),
            "surfaces": np.where(border & (doubt > 0.8), -1, SURFACES[self.regions]),
            "layers": self.layers,
        }


def as_text(labels: np.ndarray) -> bytes:
    """A label map as the release writes it: numbers with a space between, one row a line."""
    return "".join(" ".join(map(str, row)) + "\n" for row in labels.tolist()).encode()
