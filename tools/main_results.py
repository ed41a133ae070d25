"""Writes the README's main results, table and figure, from the records."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from matplotlib import pyplot as plt
from PIL import Image, PngImagePlugin

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FIGURE = ROOT / "notebooks" / "images" / "results.png"
sys.path.insert(0, str(ROOT))  # the series is not installed, it is run where it lies

from helpers import answers, of_one_size, records, size_told  # noqa: E402
from helpers.experiments.comparison import MARGIN, Comparison  # noqa: E402
from helpers.experiments.run import Record  # noqa: E402
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
    labels: str = "regions"

    @property
    def found(self) -> list[Record]:
        """The records that answer them."""
        arms = {arm for pair in self.questions.values() for arm in pair}
        found = [r for grid in self.grids for r in records(grid) if r["arm"] in arms]
        if not self.setting:
            return found
        asked = (self.labels, self.setting)
        return of_one_size([r for r in found if (r["task"], r["setting"]) == asked])

    def answers(self) -> dict[str, Comparison]:
        """The comparisons by name, those with too few pairs left out."""
        return answers(self.found, self.questions, self.score)


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
        "mean IoU, fair",
        "mean IoU",
        ON_UNET,
        "augmented",
    ),
    Task(
        "The same U-Net, trained without augmentation",
        "U-Net, not augmented",
        ("unet-fair",),
        "mean IoU, fair",
        "mean IoU",
        ON_UNET,
        "plain",
    ),
    Task(
        "U-Net on Stanford Background's surfaces, held out",
        "U-Net, surfaces",
        ("unet-fair",),
        "mean IoU, fair",
        "mean IoU",
        ON_UNET,
        "augmented",
        "surfaces",
    ),
)


def signed(one: Comparison) -> str:
    """The difference with its interval, as the table has it."""
    return f"{one.difference.mean:+.1f} ± {one.difference.half_width:.1f}"


HEAD = """\
| network | question | difference in points | pairs of runs | |
|---|---|---|---|---|
"""


def table() -> str:
    """Markdown: one row a question."""
    lines = []
    for task in TASKS:
        for name, one in task.answers().items():
            what = f"{name} (`{one.arm}` - `{one.reference}`)"
            pairs = str(one.difference.count)
            row = (task.title, what, f"{signed(one)} {task.unit}", pairs, one.verdict)
            lines.append(f"| {' | '.join(row)} |")
    return HEAD + "\n".join(lines)


def circumstances() -> str:
    """What a number is, and where the runs were made."""
    found = [record for task in TASKS for record in task.found]
    machines = {f"{r['machine']['processor']}, {r['machine']['cores']} cores" for r in found}
    torches = {r["versions"]["torch"].split("+")[0] for r in found}
    data = {r["measured_on"]["name"] for r in found}
    return (
        "Mean paired differences with 95 % intervals (Student's t); the runs of a pair share the "
        f"seed. {len(found)} runs; {'; '.join(sorted(machines))}; torch {', '.join(torches)}; "
        f"{'; '.join(sorted(data))}. The U-Net's size: {size_of_unet()}. A difference "
        f"*matters* when its whole interval lies beyond {MARGIN:g} point, and does not "
        "when its 90 % interval lies within. Under six pairs there is no test, and the interval "
        "rests on Student's assumption alone: take it as a hint."
    )


def size_of_unet() -> str:
    """The recorded U-Nets', and whether it is article B's."""
    return size_told(next(task for task in TASKS if task.setting).found)


def waiting() -> str:
    """What is not answered yet, as a sentence; nothing when all is."""
    open_questions = [
        f"{name} ({task.short})"
        for task in TASKS
        for name in task.questions.keys() - task.answers().keys()
    ]
    return f"Still to be run: {', '.join(sorted(open_questions))}." if open_questions else ""


def alternative() -> str:
    """What the figure shows, in words."""
    told = [
        f"{task.title}: " + ", ".join(f"{name} {signed(one)}" for name, one in found.items())
        for task in TASKS
        if (found := task.answers())
    ]
    return f"Differences with intervals on one axis. {'; '.join(told)}."


def block() -> str:
    """What stands in the README between the marks."""
    picture = f"![{alternative()}]({FIGURE.relative_to(ROOT).as_posix()})"
    return f"{BEGIN}\n{picture}\n\n{table()}\n\n{circumstances()} {waiting()}\n\n"


def draw() -> bytes:
    """The figure; its words are kept inside, so that a test can tell when it is out of date."""
    rows = [
        Difference(
            f"{task.short}: {name}",
            one.difference.mean,
            one.difference.low,
            one.difference.high,
            f"{signed(one)}, {one.difference.count} pairs",
        )
        for task in TASKS
        for name, one in task.answers().items()
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
