"""Writes the README's main results, sentences and figure, from the records."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from PIL import Image, PngImagePlugin

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FIGURE = ROOT / "notebooks" / "images" / "results.png"
sys.path.insert(0, str(ROOT))  # the series is not installed, it is run where it lies

from helpers import compare, of_one_size, records, size_in_words  # noqa: E402
from helpers.experiments import MARGIN  # noqa: E402
from helpers.figures import Difference, difference_axis  # noqa: E402
from helpers.figures.style import png  # noqa: E402

BEGIN, END = "<!-- results: written by `make results` -->\n", "<!-- end of the results -->"


@dataclass(frozen=True)
class Task:
    """One network, its recipe and its data; `score` is a column of the records."""

    grids: tuple[str, ...]
    score: str
    setting: str = ""
    labels: str = "cifar10"

    @property
    def runs(self) -> pd.DataFrame:
        """The recorded runs of the arms that are asked about."""
        found = records(*self.grids).query("task == @self.labels and setting == @self.setting")
        found = found[found["arm"].isin(["relu", "bn_relu", "dw_bn_relu", "frelu"])]
        return of_one_size(found) if self.setting else found

    @property
    def compared(self) -> pd.DataFrame:
        """The comparisons by name; questions without two pairs of runs are left out."""
        return compare(self.runs, QUESTIONS, self.score)

    def signed(self, question: str) -> str:
        """The difference in points with its 95 % interval."""
        table = self.compared
        return signed(table.loc[question]) if question in table.index else "(not run yet)"

    @property
    def pairs(self) -> str:
        """How many pairs the swap has."""
        return f"{self.compared['pairs'].get('swap', 0)} pairs of runs"


QUESTIONS = {
    "swap": ("frelu", "relu"),
    "BatchNorm": ("bn_relu", "relu"),
    "layer": ("dw_bn_relu", "bn_relu"),
    "layer, U-Net": ("dw_bn_relu", "relu"),  # which has its BatchNorm anyway
    "wiring": ("frelu", "dw_bn_relu"),
}
TASKS = {
    "LeNet": Task(("lenet-swap", "lenet-controls"), "accuracy"),
    "20 epochs": Task(("lenet-long",), "accuracy"),
    "U-Net": Task(("unet-fair",), "miou", "augmented", "regions"),
    "plain": Task(("unet-fair",), "miou", "plain", "regions"),
    "surfaces": Task(("unet-fair",), "miou", "augmented", "surfaces"),
}
ROWS = {
    "LeNet: FReLU in ReLU's place": ("LeNet", "swap"),
    "LeNet: of it, the extra depthwise layer": ("LeNet", "layer"),
    "LeNet: of it, the funnel's wiring": ("LeNet", "wiring"),
    "U-Net: FReLU in ReLU's place": ("U-Net", "swap"),
    "U-Net: of it, the funnel's wiring": ("U-Net", "wiring"),
}
"""The figure's rows: label -> (task, question)."""


def signed(one: pd.Series) -> str:
    """A comparison's difference with the half width of its interval."""
    return f"{one.difference:+.1f} ± {one.high - one.difference:.1f}"


def sentences() -> str:
    """What was found, in four sentences."""
    lenet, longer, regions, plain, surfaces = TASKS.values()
    return (
        f"- **LeNet on CIFAR-10, article A's recipe** ({lenet.pairs}). FReLU in ReLU's place "
        f"brings {lenet.signed('swap')} points of accuracy: {lenet.signed('BatchNorm')} from the "
        f"BatchNorm that comes with it, {lenet.signed('layer')} from the extra depthwise layer, "
        f"{lenet.signed('wiring')} from the funnel's own wiring.\n"
        f"- **The same after 20 epochs** ({longer.pairs}): {longer.signed('swap')} points, of "
        f"which the wiring has {longer.signed('wiring')}.\n"
        f"- **U-Net on Stanford Background's regions, held out** ({regions.pairs}): "
        f"{regions.signed('swap')} points of mean IoU; the extra layer without the wiring brings "
        f"{regions.signed('layer, U-Net')}.\n"
        f"- **The same without augmentation** ({plain.pairs}): {plain.signed('swap')}; "
        f"**on surfaces** ({surfaces.pairs}): {surfaces.signed('swap')}."
    )


def circumstances() -> str:
    """What a number is, and where the runs were made."""
    runs = [run for task in TASKS.values() for run in task.runs.itertuples()]
    machines = sorted({run.machine for run in runs})
    torches = sorted({run.torch.split("+")[0] for run in runs})
    copies = sorted({run.copy for run in runs})
    return (
        "± is the 95 % interval (Student's t) of differences between runs that share a seed, not "
        "corrected for being several; under six pairs there is no test: take it as a hint. "
        "Planned before the first run: the LeNet, and three seeds of the U-Net's regions; other "
        "lines and seeds are exploration. "
        f"These comparisons use {len(runs)} runs; {'; '.join(machines)}; "
        f"torch {', '.join(torches)}; {'; '.join(copies)}; "
        f"U-Net: {size_in_words(TASKS['U-Net'].runs)}."
    )


def alternative() -> str:
    """What the figure shows, in words."""
    rows = [f"{label} {TASKS[task].signed(question)}" for label, (task, question) in ROWS.items()]
    return f"Five differences with 95 % intervals on one axis. {'; '.join(rows)}."


def block() -> str:
    """What stands in the README between the marks."""
    picture = f"![{alternative()}]({FIGURE.relative_to(ROOT).as_posix()})"
    return f"{BEGIN}\n{picture}\n\n{sentences()}\n\n{circumstances()}\n\n"


def draw() -> bytes:
    """The figure; its words are kept inside, so that a test can tell when it is out of date."""
    found = {label: (TASKS[task].compared, question) for label, (task, question) in ROWS.items()}
    rows = []
    for label, (table, question) in found.items():
        if question in table.index:
            one = table.loc[question]
            words = f"{signed(one)}, {one.pairs} pairs"
            spans = one.difference, one.low, one.high, one.low_90, one.high_90
            rows.append(Difference(label, *spans, words))
    unit = "points: accuracy of the LeNet, mean IoU of the U-Net"
    figure = difference_axis(rows, MARGIN, unit, "What FReLU brings, and which part of it")
    inside, stored = PngImagePlugin.PngInfo(), BytesIO()
    inside.add_text("Description", alternative())
    with Image.open(BytesIO(png(figure))) as picture:
        picture.save(stored, "png", pnginfo=inside, optimize=True)
    plt.close(figure)
    return stored.getvalue()


def main() -> None:
    """Write README's block and the figure."""
    before, rest = README.read_text("utf-8").split(BEGIN)
    README.write_text(before + block() + END + rest.split(END)[1], "utf-8")
    FIGURE.write_bytes(draw())


if __name__ == "__main__":
    main()
