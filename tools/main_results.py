"""Writes the README's main results, table and figure, from the records."""

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
    """One network and its questions: a name in words -> (arm, reference).

    setting, labels: how the U-Net was trained, and on what; the LeNet has one recipe.
    """

    title: str
    short: str
    grids: tuple[str, ...]
    score: str
    unit: str
    questions: dict[str, tuple[str, str]]
    setting: str = ""
    labels: str = "cifar10"

    @property
    def runs(self) -> pd.DataFrame:
        """The recorded runs of the arms that are asked about."""
        arms = {arm for pair in self.questions.values() for arm in pair}
        found = records(*self.grids).query("task == @self.labels and setting == @self.setting")
        found = found[found["arm"].isin(arms)]
        return of_one_size(found) if self.setting else found

    @property
    def compared(self) -> pd.DataFrame:
        """The comparisons by name, those with too few pairs left out."""
        return compare(self.runs, self.questions, self.score)


ON_UNET = {
    "FReLU in ReLU's place": ("frelu", "relu"),
    "FReLU in Mish's place": ("frelu", "mish"),
    "depth alone": ("dw_bn_relu", "relu"),
    "the funnel alone": ("frelu", "dw_bn_relu"),
}
TASKS = (
    Task(
        "LeNet on CIFAR-10, article A's recipe",
        "LeNet",
        ("lenet-swap", "lenet-controls"),
        "accuracy",
        "accuracy",
        {
            "FReLU in ReLU's place": ("frelu", "relu"),
            "FReLU in Mish's place": ("frelu", "mish"),
            "BatchNorm's part": ("bn_relu", "relu"),
            "depth's part": ("dw_bn_relu", "bn_relu"),
            "the funnel's part": ("frelu", "dw_bn_relu"),
        },
    ),
    Task(
        "The same LeNet, 20 epochs",
        "LeNet, 20 epochs",
        ("lenet-long",),
        "accuracy",
        "accuracy",
        {
            "FReLU in ReLU's place": ("frelu", "relu"),
            "FReLU in Mish's place": ("frelu", "mish"),
            "BatchNorm's and depth's part": ("dw_bn_relu", "relu"),
            "the funnel's part": ("frelu", "dw_bn_relu"),
        },
    ),
    Task(
        "U-Net on Stanford Background's regions, held out",
        "U-Net",
        ("unet-fair",),
        "miou",
        "mean IoU",
        ON_UNET,
        "augmented",
        "regions",
    ),
    Task(
        "The same U-Net, trained without augmentation",
        "U-Net, not augmented",
        ("unet-fair",),
        "miou",
        "mean IoU",
        ON_UNET,
        "plain",
        "regions",
    ),
    Task(
        "U-Net on Stanford Background's surfaces, held out",
        "U-Net, surfaces",
        ("unet-fair",),
        "miou",
        "mean IoU",
        ON_UNET,
        "augmented",
        "surfaces",
    ),
)


def signed(one: pd.Series) -> str:
    """A comparison's difference with its interval, as the table has it."""
    return f"{one.difference:+.1f} ± {one.high - one.difference:.1f}"


HEAD = """\
| network | question | difference in points | pairs of runs | |
|---|---|---|---|---|
"""


def table() -> str:
    """Markdown: one row a question."""
    lines = []
    for task in TASKS:
        for name, one in task.compared.iterrows():
            what = f"{name} (`{one.arm}` - `{one.reference}`)"
            row = (task.title, what, f"{signed(one)} {task.unit}", str(one.pairs), one.verdict)
            lines.append(f"| {' | '.join(row)} |")
    return HEAD + "\n".join(lines)


def circumstances() -> str:
    """What a number is, and where the runs were made."""
    runs = [run for task in TASKS for run in task.runs.itertuples()]
    machines = sorted({f"{run.processor}, {run.cores} cores" for run in runs})
    torches = sorted({run.torch.split("+")[0] for run in runs})
    copies = sorted({run.copy for run in runs})
    return (
        "Mean paired differences with 95 % intervals (Student's t); the runs of a pair share the "
        f"seed. {len(runs)} runs; {'; '.join(machines)}; torch {', '.join(torches)}; "
        f"{'; '.join(copies)}. The U-Net's size: {size_of_unet()}. A difference "
        f"*matters* when its whole interval lies beyond {MARGIN:g} point, and does not "
        "when its 90 % interval lies within. Under six pairs there is no test, and the interval "
        "rests on Student's assumption alone: take it as a hint."
    )


def size_of_unet() -> str:
    """The recorded U-Nets', and whether it is article B's."""
    return size_in_words(next(task for task in TASKS if task.setting).runs)


def waiting() -> str:
    """What is not answered yet, as a sentence; nothing when all is."""
    open_questions = [
        f"{name} ({task.short})"
        for task in TASKS
        for name in task.questions.keys() - set(task.compared.index)
    ]
    return f"Still to be run: {', '.join(sorted(open_questions))}." if open_questions else ""


def alternative() -> str:
    """What the figure shows, in words."""
    tasks = [
        f"{task.title}: " + ", ".join(f"{name} {signed(one)}" for name, one in found.iterrows())
        for task in TASKS
        if len(found := task.compared)
    ]
    return f"Differences with intervals on one axis. {'; '.join(tasks)}."


def block() -> str:
    """What stands in the README between the marks."""
    picture = f"![{alternative()}]({FIGURE.relative_to(ROOT).as_posix()})"
    return f"{BEGIN}\n{picture}\n\n{table()}\n\n{circumstances()} {waiting()}\n\n"


def draw() -> bytes:
    """The figure; its words are kept inside, so that a test can tell when it is out of date."""
    rows = [
        Difference(
            f"{task.short}: {name}",
            one.difference,
            one.low,
            one.high,
            f"{signed(one)}, {one.pairs} pairs",
        )
        for task in TASKS
        for name, one in task.compared.iterrows()
    ]
    unit = "points: accuracy of the LeNet, mean IoU of the U-Net"
    title = f"What FReLU brings, and which part of it\nU-Net: {size_of_unet()}"
    words, stored = PngImagePlugin.PngInfo(), BytesIO()
    words.add_text("Description", alternative())
    figure = difference_axis(rows, MARGIN, unit, title)
    with Image.open(BytesIO(png(figure))) as picture:
        picture.save(stored, "png", pnginfo=words, optimize=True)
    plt.close(figure)
    return stored.getvalue()


def main() -> None:
    """Write README's block and the figure."""
    before, rest = README.read_text("utf-8").split(BEGIN)
    README.write_text(before + block() + END + rest.split(END)[1], "utf-8")
    FIGURE.write_bytes(draw())


if __name__ == "__main__":
    main()
