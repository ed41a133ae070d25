"""What all figures share: small stored pictures, and no torch."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from helpers import figures
from helpers.figures import style


def test_stored_figures_are_small_palettes_with_white_paper_and_true_colours():
    figure, axes = style.new_figure(figsize=(5, 3))
    axes.imshow(np.random.default_rng(0).random((60, 80)), cmap="magma")
    axes.plot([0, 79], [30, 30], color=style.COLOURS["gelu"], linewidth=4)
    picture = Image.open(io.BytesIO(style.png(figure)))
    plt.close(figure)
    assert picture.mode == "P"
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    wanted = np.array([0xCC, 0x79, 0xA7])
    assert np.abs(pixels - wanted).max(axis=-1).min() <= 20


def test_no_file_of_figures_imports_torch():
    """Arrays in, figures out; only the table of activations comes from `nn`."""
    for path in Path(figures.__file__).parent.glob("*.py"):
        found = re.search(
            r"^\s*(import|from) torch", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert found is None, path.name
