"""Draws the README's figure with the series' own pieces: what a funnel does to a photograph."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "notebooks" / "images" / "readme.png"
sys.path.insert(0, str(ROOT))  # the series is not installed, it is run where it lies

from helpers import FReLU, figures  # noqa: E402
from helpers.figures.style import png  # noqa: E402

WINDOW = [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]  # Sobel: horizontal edges


def photograph() -> torch.Tensor:
    """matplotlib's photograph of Grace Hopper, standardised, as (1, 1, 256, 256)."""
    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        grey = picture.convert("L").crop((0, 0, 512, 512)).resize((256, 256))
    values = np.asarray(grey, dtype=np.float32)
    return torch.from_numpy((values - values.mean()) / values.std())[None, None]


def main() -> None:
    """Write the figure."""
    funnel, picture = FReLU(1), photograph()
    with torch.no_grad():
        funnel.conv.weight.copy_(torch.tensor(WINDOW))
        condition = funnel.condition(picture)
    figure = figures.branch_map(picture[0, 0].numpy(), condition[0, 0].numpy())
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_bytes(png(figure))


if __name__ == "__main__":
    main()
