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

from helpers import answers, of_one_size, records  # noqa: E402
from helpers.experiments.comparison import MARGIN, Comparison  # noqa: E402
from helpers.experiments.record import Record  # noqa: E402
from helpers.figures.evidence import Difference, difference_axis  # noqa: E402
from helpers.figures.style import png  # noqa: E402

BEGIN, END = "<!-- results: written by `make results` -->\n", "<!-- end of the results -->"


@dataclass(frozen=True)
class Task:
    """One network and its questions: a name in words -> (arm, reference)."""

    title: str
    score: str
    unit: str
    questions: dict[str, tuple[str, str]]

    @property
    def found(self) -> list[Record]:
        """The records that answer them."""
        if self.score == "accuracy":
            return records("lenet-swap") + records("lenet-controls")
        fair = records("unet-fair")
        asked = [r for r in fair if (r["task"], r["setting"]) == ("regions", "augmented")]
        return of_one_size(asked)

    def answers(self) -> dict[str, Comparison]:
        """The comparisons by name, those with too few pairs left out."""
        return answers(self.found, self.questions, self.score)


TASKS = (
    Task(
        "LeNet on CIFAR-10, article A's recipe",
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
        "U-Net on Stanford Background's regions, held out",
        "mean IoU, fair",
        "mean IoU",
        {
            "FReLU in ReLU's place": ("frelu", "relu"),
            "FReLU in Mish's place": ("frelu", "mish"),
            "depth alone": ("dw_bn_relu", "relu"),
            "the funnel alone": ("frelu", "dw_bn_relu"),
        },
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
        f"{'; '.join(sorted(data))}. {size_of_unet()}. A difference *matters* when its whole "
        f"interval lies beyond {MARGIN:g} point, and does not when its 90 % interval lies within. "
        "Under six pairs there is no test, and the interval rests on Student's assumption alone: "
        "take it as a hint."
    )


def size_of_unet() -> str:
    """Of the recorded U-Nets, and whether it is article B's."""
    sizes = {(*r["size"], r["width"]) for r in TASKS[1].found}
    told = "; ".join(f"{height}x{breadth}, width {width}" for height, breadth, width in sizes)
    if (224, 224, 32) in sizes:
        return f"The U-Net has article B's size, {told}"
    return f"The U-Net's size is {told}: article B's, 224x224 and width 32, is not reproduced yet"


def waiting() -> str:
    """What is not answered yet, as a sentence; nothing when all is."""
    open_questions = [
        f"{name} ({task.title.split()[0]})"
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
            f"{task.title.split()[0]}: {name}",
            one.difference.mean,
            one.difference.low,
            one.difference.high,
            f"{signed(one)}, {one.difference.count} pairs",
        )
        for task in TASKS
        for name, one in task.answers().items()
    ]
    unit = "points: accuracy of the LeNet, mean IoU of the U-Net"
    title = "What FReLU brings, and which part of it"
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
