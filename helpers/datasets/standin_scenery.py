"""The painter of the stand-in scenes: sky, land, water, houses, trees, things and their labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SKY, TREE, ROAD, GRASS, WATER, BUILDING, MOUNTAIN, THING = range(8)
SETTINGS = ("town", "field", "coast", "hills")
SKIES = np.array(  # colour at the top and at the horizon
    [
        [[0.26, 0.47, 0.80], [0.72, 0.84, 0.95]],
        [[0.42, 0.60, 0.85], [0.88, 0.92, 0.96]],
        [[0.62, 0.66, 0.72], [0.84, 0.85, 0.86]],
        [[0.40, 0.42, 0.62], [0.98, 0.76, 0.54]],
    ]
)
WALLS = np.array([[0.71, 0.62, 0.50], [0.62, 0.36, 0.28], [0.66, 0.66, 0.64], [0.83, 0.78, 0.66]])
PAINTS = np.array(
    [[0.75, 0.12, 0.12], [0.15, 0.25, 0.6], [0.9, 0.9, 0.9], [0.12, 0.12, 0.14], [0.85, 0.7, 0.1]]
)


@dataclass(frozen=True)
class Style:
    """What pictures from one source have in common: places, camera and weather."""

    settings: np.ndarray  # probability of each of SETTINGS
    cast: np.ndarray  # factor for red, green, blue
    haze: float
    contrast: float
    grain: float

    @staticmethod
    def of_source(source: int) -> Style:
        """The style of a source, the same in every scene."""
        random = np.random.default_rng([7, source])
        return Style(
            settings=random.dirichlet(np.full(len(SETTINGS), 0.8)),
            cast=random.uniform(0.84, 1.14, 3),
            haze=random.uniform(0, 0.3),
            contrast=random.uniform(0.7, 1.15),
            grain=random.uniform(0.01, 0.05),
        )

    def seen(self, picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The picture as this source's camera renders it, (h, w, 3) in 0..1."""
        light = 0.9 + 0.2 * fractal(picture.shape[:2], 3, random)[..., None]
        picture = (picture * light - 0.5) * self.contrast + 0.5
        picture = picture * (1 - 0.5 * self.haze) + 0.4 * self.haze
        return picture * self.cast + random.normal(0, self.grain, picture.shape)


class Canvas:
    """A picture (h, w, 3) in 0..1 with maps of regions and layers (h, w), painted far to near."""

    def __init__(self, size: tuple[int, int], horizon: float) -> None:
        self.picture = np.zeros((*size, 3), np.float32)
        self.regions = np.zeros(size, np.int8)
        self.layers = np.zeros(size, np.int16)
        self.horizon = horizon
        self.rows, self.columns = np.mgrid[: size[0], : size[1]].astype(np.float32)

    def paint(self, cover: np.ndarray, colour: np.ndarray, region: int) -> None:
        """Lay a colour ((3,) or (h, w, 3)) over the picture where `cover` (0..1) says; label it."""
        self._blend(cover, colour)
        self.regions[cover > 0.5] = region
        self.layers[cover > 0.5] = self.layers.max() + 1

    def ground(self, x: float, y: float) -> int:
        """The region under a point."""
        height, width = self.regions.shape
        return int(self.regions[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))])

    def adorn(self, cover: np.ndarray, colour: np.ndarray) -> None:
        """Paint without a label of its own: windows, stripes on a road."""
        self._blend(cover, colour)

    def _blend(self, cover: np.ndarray, colour: np.ndarray) -> None:
        box = _box(cover > 0)
        colour = np.broadcast_to(colour, self.picture.shape)
        self.picture[box] += cover[box][..., None] * (colour[box] - self.picture[box])


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest rectangle with all of a mask: painting little things stays cheap."""
    spans = (np.flatnonzero(mask.any(1 - axis)) for axis in (0, 1))
    rows, columns = (slice(*((s[0], s[-1] + 1) if len(s) else (0, 0))) for s in spans)
    return rows, columns


def fractal(size: tuple[int, int], cells: int, random: np.random.Generator) -> np.ndarray:
    """Cloudy noise in about 0..1 with `cells` bumps across, and finer ones on top."""
    total = np.zeros((1, 1), np.float32)
    for octave in range(4):
        across = 2 + (cells << octave)
        grid = random.random((2 + (cells << octave) * size[0] // size[1], across), np.float32)
        total = _enlarge(total, grid.shape) + grid / 2**octave
    return _enlarge(total, size) / 1.875


def _enlarge(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(grid).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image)


def _soft(inside: np.ndarray) -> np.ndarray:
    return (inside + 0.5).clip(0, 1)


def _polygon(canvas: Canvas, *shapes: list[tuple[float, float]]) -> np.ndarray:
    """The cover of polygons given by their corners (x, y), with soft edges."""
    height, width = canvas.regions.shape
    image = Image.new("L", (2 * width, 2 * height))
    for corners in shapes:
        ImageDraw.Draw(image).polygon([(2 * x, 2 * y) for x, y in corners], fill=255)
    return np.asarray(image.reduce(2), np.float32) / 255


def _rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def draw_scene(size: tuple[int, int], style: Style, random: np.random.Generator) -> Canvas:
    """One scene, from the sky to the things in front."""
    setting = SETTINGS[random.choice(len(SETTINGS), p=style.settings)]
    canvas = Canvas(size, size[0] * random.uniform(0.38, 0.58))
    sky = _draw_sky(canvas, random)
    if random.random() < {"town": 0.1, "field": 0.25, "coast": 0.4, "hills": 1}[setting]:
        _draw_mountain(canvas, sky, random)
    _draw_ground(canvas, setting, sky, random)
    if random.random() < {"town": 0.4, "field": 0.8, "coast": 0.3, "hills": 0.6}[setting]:
        _draw_tree_line(canvas, random)
    for _ in range(random.poisson({"town": 5, "field": 0.9, "coast": 0.5, "hills": 0.3}[setting])):
        _draw_building(canvas, random)
    for _ in range(random.poisson({"town": 0.8, "field": 1.6, "coast": 0.7, "hills": 1}[setting])):
        _draw_tree(canvas, random)
    for depth in sorted(random.uniform(0.12, 0.75, 1 + random.poisson(1.5))):
        _draw_thing(canvas, depth, random)
    return canvas


def _draw_sky(canvas: Canvas, random: np.random.Generator) -> np.ndarray:
    """The sky with its clouds; returns its colour at the horizon."""
    top, bottom = SKIES[random.choice(len(SKIES), p=[0.35, 0.3, 0.2, 0.15])]
    down = (canvas.rows / canvas.horizon).clip(0, 1)[..., None]
    clouds = fractal(canvas.regions.shape, 3, random)
    cover = ((clouds - random.uniform(0.45, 0.7)) * 4).clip(0, 1) * (1 - 0.5 * down[..., 0])
    canvas.paint(np.ones_like(canvas.rows), top + (bottom - top) * down, SKY)
    canvas.adorn(cover, np.array([0.96, 0.96, 0.97]))
    canvas.layers[:] = 0
    return bottom


def _draw_mountain(canvas: Canvas, sky: np.ndarray, random: np.random.Generator) -> None:
    height = canvas.horizon * random.uniform(0.25, 0.7)
    ridge = canvas.horizon - height * (0.2 + fractal((8, canvas.columns.shape[1]), 3, random)[4])
    rock = random.choice([[0.36, 0.40, 0.44], [0.38, 0.42, 0.32], [0.46, 0.39, 0.33]])
    grain = fractal(canvas.regions.shape, 14, random)[..., None]
    below = ((canvas.rows - ridge) / height).clip(0, 1)[..., None]
    colour = rock * (0.55 + 0.9 * grain)
    if random.random() < 0.4:
        colour = np.where(below + 0.5 * grain < 0.5, 0.93, colour)  # snow
    far = random.uniform(0.15, 0.5)
    cover = _soft(canvas.rows - ridge) * _soft(canvas.horizon + 2 - canvas.rows)
    canvas.paint(cover, colour * (1 - far) + sky * far, MOUNTAIN)


def _draw_ground(
    canvas: Canvas, setting: str, sky: np.ndarray, random: np.random.Generator
) -> None:
    below = _soft(canvas.rows - canvas.horizon)
    if setting == "coast":
        canvas.paint(below, _water(canvas, sky, random), WATER)
        shore = canvas.horizon + random.uniform(0.3, 0.8) * (len(canvas.rows) - canvas.horizon)
        shore = shore + 14 * fractal((8, canvas.columns.shape[1]), 2, random)[4]
        kind = random.choice([GRASS, ROAD])
        canvas.paint(_soft(canvas.rows - shore), _land(canvas, kind, random), kind)
        return
    base = ROAD if setting == "town" and random.random() < 0.6 else GRASS
    canvas.paint(below, _land(canvas, base, random), base)
    if base == GRASS and random.random() < 0.6:
        _draw_road(canvas, random)
    elif base == GRASS and random.random() < 0.5:
        pond = np.hypot(
            (canvas.columns - random.uniform(0, 320)) / 4, canvas.rows - canvas.horizon - 40
        )
        canvas.paint(
            _soft(random.uniform(12, 30) - pond) * below, _water(canvas, sky, random), WATER
        )


def _depth(canvas: Canvas) -> np.ndarray:
    """Distance from the horizon downwards, in pixels, at least 2."""
    return (canvas.rows - canvas.horizon).clip(2)


def _grain(canvas: Canvas, stretch: float, random: np.random.Generator) -> np.ndarray:
    """Noise that lies on the ground: coarse in front, fine towards the horizon, (h, w, 1)."""
    tile = fractal((256, 256), 32, random)
    depth = _depth(canvas)
    across = (canvas.columns - canvas.columns.mean()) * 90 / depth / stretch
    return tile[(6000 / depth).astype(int) % 256, across.astype(int) % 256][..., None]


def _land(canvas: Canvas, kind: int, random: np.random.Generator) -> np.ndarray:
    colours = {
        GRASS: ([0.28, 0.45, 0.14], [0.42, 0.50, 0.20], [0.20, 0.36, 0.12]),
        ROAD: ([0.42, 0.41, 0.40], [0.52, 0.49, 0.45], [0.60, 0.54, 0.44]),
    }[kind]
    colour = np.array(colours[random.integers(3)])
    rough = 0.9 if kind == GRASS else 0.3
    fine = random.normal(0, 0.12 * rough, (*canvas.rows.shape, 1))
    return colour * (1 - rough / 2 + rough * _grain(canvas, 1, random) + fine)


def _water(canvas: Canvas, sky: np.ndarray, random: np.random.Generator) -> np.ndarray:
    deep = np.array([0.14, 0.30, 0.38]) * random.uniform(0.7, 1.2)
    mirrored = (12 / _depth(canvas)).clip(0.15, 0.7)[..., None]
    return deep + (sky - deep) * mirrored + 0.35 * (_grain(canvas, 6, random) - 0.5)


def _draw_road(canvas: Canvas, random: np.random.Generator) -> None:
    """A road to a vanishing point on the horizon, perhaps with a dashed line."""
    height, width = canvas.regions.shape
    down = _depth(canvas) / (height - canvas.horizon)
    start, foot = width * random.uniform(0.3, 0.7), width * random.uniform(0.2, 0.8)
    middle = start + (foot - start) * down + 25 * random.normal() * down * (1 - down)
    half = width * random.uniform(0.12, 0.4) * down + 1
    below = _soft(canvas.rows - canvas.horizon)
    aside = abs(canvas.columns - middle)
    canvas.paint(_soft(half - aside) * below, _land(canvas, ROAD, random), ROAD)
    if random.random() < 0.6:
        dash = np.sin(9 / down) > 0
        canvas.adorn(_soft(0.03 * half - aside + 0.3) * below * dash, np.array([0.9, 0.88, 0.8]))


def _draw_tree_line(canvas: Canvas, random: np.random.Generator) -> None:
    width = canvas.columns.shape[1]
    crown = fractal((8, width), 8, random)[4] - 0.35
    top = canvas.horizon - random.uniform(15, 60) * crown.clip(0)
    top = np.where(crown > 0, top, canvas.horizon + 9)
    cover = _soft(canvas.rows - top) * _soft(canvas.horizon + 3 - canvas.rows)
    canvas.paint(cover, _leaves(canvas, random), TREE)


def _leaves(canvas: Canvas, random: np.random.Generator) -> np.ndarray:
    green = np.array([0.16, 0.28, 0.11]) * random.uniform(0.7, 1.35, 3)
    return green * (0.3 + 1.5 * fractal(canvas.regions.shape, 40, random)[..., None])


def _draw_tree(canvas: Canvas, random: np.random.Generator) -> None:
    height, width = canvas.regions.shape
    x = random.uniform(0, width)
    foot = canvas.horizon + random.uniform(0.02, 0.35) * (height - canvas.horizon)
    if canvas.ground(x, foot) == WATER:
        return
    size = random.uniform(14, 34) + 0.5 * (foot - canvas.horizon)
    middle = foot - random.uniform(1.4, 2.2) * size
    bumps = fractal(canvas.regions.shape, 18, random) - 0.5
    round_ = np.hypot(canvas.columns - x, (canvas.rows - middle) / random.uniform(0.9, 1.4))
    crown = _soft((size - round_ + 1.3 * size * bumps) / 1.5)
    trunk = _polygon(canvas, _rectangle(x - size / 10, middle, x + size / 10, foot))
    light = 1.15 - 0.5 * ((canvas.rows - middle) / size).clip(-1, 1)[..., None]
    bark = np.array([0.27, 0.2, 0.15])
    colour = np.where(crown[..., None] > 0.3, _leaves(canvas, random) * light, bark)
    canvas.paint(np.maximum(crown, trunk), colour, TREE)


def _draw_building(canvas: Canvas, random: np.random.Generator) -> None:
    """A house or a block: front, shaded side, windows, flat or pointed roof."""
    height, width = canvas.regions.shape
    foot = canvas.horizon + random.uniform(1, 0.12 * height)
    tall, wide = random.uniform(0.35, 1.1) * canvas.horizon, width * random.uniform(0.12, 0.36)
    left, top = random.uniform(-0.3 * wide, width - 0.6 * wide), foot - tall
    if canvas.ground(left + wide / 2, foot) == WATER:
        return
    right, wall = left + wide, WALLS[random.integers(len(WALLS))] * random.uniform(0.75, 1.15)
    body = [_rectangle(left, top, right, foot)]
    if random.random() < 0.35 and top > 30:
        body.append([(left - 4, top), ((left + right) / 2, top - 0.35 * wide), (right + 4, top)])
    rough = 0.9 + 0.2 * fractal(canvas.regions.shape, 20, random)[..., None]
    roof = np.where(canvas.rows[..., None] < top, wall * [0.7, 0.5, 0.45], wall)
    shade = np.where(canvas.columns[..., None] > right - 0.22 * wide, 0.68, 1)
    canvas.paint(_polygon(canvas, *body), roof * rough * shade, BUILDING)
    _draw_windows(canvas, (left, top, right - 0.22 * wide, foot), random)


def _draw_windows(
    canvas: Canvas, box: tuple[float, float, float, float], random: np.random.Generator
) -> None:
    left, top, right, bottom = box
    pace_x, pace_y = random.uniform(11, 20), random.uniform(13, 22)
    panes = [
        _rectangle(x, y, x + 0.5 * pace_x, y + 0.55 * pace_y)
        for x in np.arange(left + 5, right - 0.6 * pace_x, pace_x)
        for y in np.arange(top + 6, bottom - 0.8 * pace_y, pace_y)
    ]
    cover = _polygon(canvas, *panes)
    cover[canvas.regions != BUILDING] = 0
    canvas.adorn(cover, np.array([0.2, 0.24, 0.3]) * random.uniform(0.7, 1.6))


def _draw_thing(canvas: Canvas, depth: float, random: np.random.Generator) -> None:
    """A car, a person, an animal or a boat, as large as its place on the ground asks."""
    height, width = canvas.regions.shape
    y = canvas.horizon + depth * (height - canvas.horizon)
    x = random.uniform(0.08, 0.92) * width
    shape, scale = {
        ROAD: (_car, 0.75) if random.random() < 0.65 else (_person, 0.9),
        GRASS: (_animal, 0.55) if random.random() < 0.65 else (_person, 0.9),
        WATER: (_boat, 0.6),
    }.get(canvas.ground(x, y), (_person, 0.9))
    shape(canvas, x, y, scale * (12 + 0.55 * (y - canvas.horizon)), random)


def _car(canvas: Canvas, x: float, y: float, size: float, random: np.random.Generator) -> None:
    body = _rectangle(x - 1.3 * size, y - 0.65 * size, x + 1.3 * size, y - 0.12 * size)
    cabin = [(-0.8, -0.62), (-0.5, -1.1), (0.5, -1.1), (0.9, -0.62)]
    glass = [(-0.62, -0.66), (-0.42, -1.0), (0.42, -1.0), (0.7, -0.66)]
    wheels = [
        _ellipse(x + side * size, y - 0.15 * size, 0.24 * size, 0.24 * size) for side in (-0.8, 0.8)
    ]
    shape = _polygon(canvas, body, _placed(cabin, x, y, size), *wheels)
    paint = PAINTS[random.integers(len(PAINTS))] * (
        0.8 + 0.3 * (canvas.rows[..., None] < y - 0.5 * size)
    )
    canvas.paint(shape, paint, THING)
    canvas.adorn(_polygon(canvas, _placed(glass, x, y, size)), np.array([0.25, 0.3, 0.36]))
    canvas.adorn(_polygon(canvas, *wheels), np.array([0.08, 0.08, 0.09]))


def _person(canvas: Canvas, x: float, y: float, size: float, random: np.random.Generator) -> None:
    head = _ellipse(x, y - 1.85 * size, 0.17 * size, 0.21 * size)
    chest = [(-0.32, -1.6), (0.32, -1.6), (0.26, -0.8), (-0.26, -0.8)]
    legs = [(-0.25, -0.85), (0.25, -0.85), (0.22, 0), (0.04, 0), (0, -0.7), (-0.04, 0), (-0.22, 0)]
    parts = [head, _placed(chest, x, y, size), _placed(legs, x, y, size)]
    canvas.paint(_polygon(canvas, *parts), PAINTS[random.integers(len(PAINTS))], THING)
    canvas.adorn(_polygon(canvas, head), np.array([0.78, 0.58, 0.46]) * random.uniform(0.5, 1.1))
    canvas.adorn(_polygon(canvas, parts[2]), np.array([0.16, 0.18, 0.26]))


def _animal(canvas: Canvas, x: float, y: float, size: float, random: np.random.Generator) -> None:
    way = random.choice([-1, 1])
    body = _ellipse(x, y - 0.85 * size, size, 0.42 * size)
    head = _ellipse(x + way * 1.15 * size, y - 1.15 * size, 0.32 * size, 0.24 * size)
    legs = [
        _rectangle(x + at * size - 0.09 * size, y - 0.7 * size, x + at * size + 0.09 * size, y)
        for at in (-0.7, -0.45, 0.45, 0.7)
    ]
    coat = np.array([[0.35, 0.22, 0.14], [0.88, 0.86, 0.8], [0.14, 0.12, 0.12]])[random.integers(3)]
    spots = 0.8 + 0.4 * fractal(canvas.regions.shape, 24, random)[..., None]
    canvas.paint(_polygon(canvas, body, head, *legs), coat * spots, THING)


def _boat(canvas: Canvas, x: float, y: float, size: float, random: np.random.Generator) -> None:
    hull = [(-1.3, -0.5), (1.4, -0.5), (0.95, 0), (-1, 0)]
    sail = [(0.05, -2.6), (0.05, -0.65), (1, -0.65)]
    parts = [_placed(hull, x, y, size), _placed(sail, x, y, size)]
    canvas.paint(_polygon(canvas, *parts), PAINTS[random.integers(len(PAINTS))], THING)
    canvas.adorn(_polygon(canvas, parts[1]), np.array([0.92, 0.91, 0.87]))


def _ellipse(x: float, y: float, wide: float, tall: float) -> list[tuple[float, float]]:
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return list(zip(x + wide * np.cos(turn), y + tall * np.sin(turn), strict=True))


def _placed(
    corners: list[tuple[float, float]], x: float, y: float, size: float
) -> list[tuple[float, float]]:
    """Corners given in units of `size` from (x, y)."""
    return [(x + size * a, y + size * b) for a, b in corners]
