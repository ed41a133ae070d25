"""Records as tables: each arm's mean, and its paired differences against the arms of reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..evaluation.intervals import (
    Interval,
    detectable_difference,
    holm,
    mean_interval,
    paired_differences,
    sign_flip_p,
    verdict,
)
from ..training.recipes import Recipe
from .grids import CONTROLS, GRIDS, SIDE_CONTROLS, SWAP
from .recorded import records
from .run import Record, Run
from .store import Store

MARGIN = 1.0
"""Points of accuracy or mean IoU that matter, stated in notebook 06 before the first run."""

REFERENCES = ("relu", "frelu")
ARMS = (*SWAP, *CONTROLS, *SIDE_CONTROLS)
POINTS = 100  # per cent of a share
FREE = ("arm", "activation", "seed", "grid", "setting", "side_by_side")
"""What may differ between compared runs: the arm, the pairing, names of tables, the last digits."""

ARTICLE_SIZE = "224x224, width 32"

SCORES = {
    "accuracy": ("accuracy",),
    "accuracy in train mode": ("accuracy_train_mode",),
    "mean IoU, fair": ("fair", "mean_iou"),
    "mean IoU, article's": ("article", "mean_iou"),
}
"""What a table may show, and where it stands among a record's metrics."""


@dataclass(frozen=True)
class Comparison:
    """One arm against another, over the seeds that both have; all in points.

    p is that of the exact sign-flip test, `corrected` Holm's over the comparisons made together;
    both None under 6 pairs. detectable: what so many seeds would have shown, with power 80 %.
    """

    arm: str
    reference: str
    difference: Interval
    p: float | None
    verdict: str
    detectable: float
    corrected: float | None = None


def score(record: Record, name: str = "accuracy") -> float:
    """One of SCORES of a record, in points (0..100).

    Raises ValueError for a score that the record doesn't have. Introduced in notebook 06.
    """
    value = record["metrics"]
    for step in SCORES.get(name, (name,)):
        if step not in value:
            known = ", ".join(one for one, steps in SCORES.items() if steps[0] in record["metrics"])
            raise ValueError(f"a record of {record['grid']} has no '{name}'; it has {known}.")
        value = value[step]
    return POINTS * value


def by_seed(found: Sequence[Record], arm: str, name: str = "accuracy") -> dict[int, float]:
    """The scores of one arm by seed, in points.

    Raises ValueError for two records of one seed: choose one setting, size and task before.
    Introduced in notebook 06.
    """
    scores: dict[int, float] = {}
    for record in found:
        if record["arm"] != arm:
            continue
        if record["seed"] in scores:
            raise ValueError(
                f"{arm} has two records of seed {record['seed']}: choose records of one task, "
                "setting and size before you compare."
            )
        scores[record["seed"]] = score(record, name)
    return scores


def of_one_size(found: Sequence[Record]) -> list[Record]:
    """The U-Nets of the picture size and width that most of them have; of two, the larger.

    Those that ran on a GPU have the article's size, and their records lie beside those of a CPU.
    Introduced in notebook 04.
    """
    sizes = [(*record["size"], record["width"]) for record in found]
    counts = Counter(sizes)
    chosen = max(counts, key=lambda size: (counts[size], size), default=None)
    return [record for record, size in zip(found, sizes, strict=True) if size == chosen]


def size_told(found: Sequence[Record]) -> str:
    """Picture size and width of recorded U-Nets of one size, and whether they are article B's.

    Introduced in notebook 04.
    """
    sizes = {f"{r['size'][0]}x{r['size'][1]}, width {r['width']}" for r in of_one_size(found)}
    told = "".join(sizes)  # one, or none where nothing is recorded
    return told if sizes <= {ARTICLE_SIZE} else f"{told}, which is not article B's size"


def compare(
    found: Sequence[Record], pairs: Sequence[tuple[str, str]], name: str = "accuracy"
) -> list[Comparison]:
    """Each (arm, reference) of `pairs`, Holm's correction over them all; pairs without two common
    seeds are left out.

    Raises ValueError for arms that were trained on other data, by another recipe, at another size
    or in another number format, and what `by_seed` and `score` raise. Introduced in notebook 06.
    """
    return _corrected(
        [one for arm, reference in pairs if (one := _compared(found, arm, reference, name))]
    )


def answers(
    found: Sequence[Record], questions: Mapping[str, tuple[str, str]], name: str = "accuracy"
) -> dict[str, Comparison]:
    """`compare` by names: question -> (arm, reference) becomes question -> comparison.

    Questions without two common seeds are left out. Raises what `by_seed` and `score` raise.
    Introduced in notebook 06.
    """
    made = {(one.arm, one.reference): one for one in compare(found, list(questions.values()), name)}
    return {question: made[pair] for question, pair in questions.items() if pair in made}


def _corrected(made: list[Comparison]) -> list[Comparison]:
    corrected = holm([one.p for one in made])
    return [replace(one, corrected=p) for one, p in zip(made, corrected, strict=True)]


def _compared(found: Sequence[Record], arm: str, reference: str, name: str) -> Comparison | None:
    _check_alike([record for record in found if record["arm"] in (arm, reference)])
    scores, others = by_seed(found, arm, name), by_seed(found, reference, name)
    common = sorted(scores.keys() & others.keys())
    if len(common) < 2:
        return None
    differences = paired_differences([scores[s] for s in common], [others[s] for s in common])
    interval = mean_interval(differences)
    return Comparison(
        arm,
        reference,
        interval,
        sign_flip_p(differences),
        verdict(differences, MARGIN),
        detectable_difference(interval.std, interval.count),
    )


def _check_alike(found: Sequence[Record]) -> None:
    conditions = [_conditions(record) for record in found]
    differing = {
        what: " and ".join(sorted(kinds))
        for what in (conditions[0] if conditions else ())
        if len(kinds := {str(each[what]) for each in conditions}) > 1
    }
    if differing:
        told = ", ".join(f"{what} {kinds}" for what, kinds in differing.items())
        raise ValueError(
            f"records with {told} can't be compared: choose those of one kind, or train your own "
            "in the same way."
        )


def _conditions(record: Record) -> Record:
    """What compared runs must share: all that was asked but the arm and the seed, and the number
    format.

    A setting that is younger than the record is at its default. A LeNet's width is its arm's.
    """
    asked = _settings(Run, record) | _settings(Recipe, record["recipe"])
    free = {"recipe", *FREE} | ({"width"} if record["size"] is None else set())
    shared = {what: value for what, value in asked.items() if what not in free}
    return shared | {what: record.get(what) for what in ("recipe_version", "dtype")}


def _settings(kind: type[Run] | type[Recipe], told: Record) -> Record:
    return {field.name: told.get(field.name, field.default) for field in fields(kind)}


# --- for the terminal ---------------------------------------------------------------------------


def tables(grid: str, store: Store | None = None) -> dict[str, list[Record]]:
    """The records of a grid, and of the grid beside it, by what must be equal to compare them."""
    beside = GRIDS[grid].beside
    found = records(grid, store) + (records(beside, store) if beside else [])
    parted: dict[str, list[Record]] = {}
    for record in found:
        size = "x".join(map(str, record["size"])) if record["size"] else ""
        size += f", width {record['width']}" if size else ""
        of = "" if record["train"] is None else f"{record['train']} images"
        data = "" if record["data"] != "stand-in data" else record["data"]
        number_format = "" if record["dtype"] == "float32" else record["dtype"]
        words = [record["task"], record["setting"], size, of, data, number_format]
        parted.setdefault(", ".join(word for word in words if word), []).append(record)
    return parted


def report(grid: str, store: Store | None = None) -> str:
    """The tables of a grid as text, Holm's correction over all of the grid's comparisons."""
    parted = tables(grid, store)
    if not parted:
        return f"{grid} has no records yet: python -m helpers.experiments run {grid}"
    blocks = []
    first = next(iter(parted.values()))[0]
    for name in [name for name, steps in SCORES.items() if steps[0] in first["metrics"]]:
        compared = _compared_tables(parted, name)
        for title, found in parted.items():
            blocks.append(f"{title}: {name}\n{_table(found, name, compared[title])}")
    return "\n\n".join([f"{grid}: {GRIDS[grid].question}", *blocks, LEGEND])


LEGEND = f"""\
Points: mean with 95 % interval; differences are paired by seed. p: exact sign-flip test, Holm over
the grid. "shows": the smallest true difference that so many seeds would have shown in 4 of 5
trials. The difference that matters: {MARGIN:g}."""


def _compared_tables(
    parted: dict[str, list[Record]], name: str
) -> dict[str, dict[tuple[str, str], Comparison]]:
    """By table, then by (arm, reference): every arm against each arm of reference."""
    made = []
    for title, found in parted.items():
        pairs = [(arm, ref) for ref in REFERENCES for arm in _arms(found) if arm not in REFERENCES]
        pairs += [REFERENCES[::-1]]
        made += [
            (title, one) for pair in pairs if (one := _compared(found, *pair, name)) is not None
        ]
    compared: dict[str, dict[tuple[str, str], Comparison]] = {title: {} for title in parted}
    corrected = _corrected([one for _, one in made])
    for (title, _), one in zip(made, corrected, strict=True):
        compared[title][one.arm, one.reference] = one
    return compared


def _arms(found: list[Record]) -> list[str]:
    """In the order of the grids' definitions, a reader's own arms at the end."""
    there = list(dict.fromkeys(str(record["arm"]) for record in found))
    return sorted(there, key=lambda arm: ARMS.index(arm) if arm in ARMS else len(ARMS))


def _table(found: list[Record], name: str, compared: dict[tuple[str, str], Comparison]) -> str:
    head = ["arm", "runs", "points"]
    for reference in REFERENCES:
        head += [f"- {reference}", "p", "shows", ""]
    rows = [head]
    for arm in _arms(found):
        scores = list(by_seed(found, arm, name).values())
        row = [arm, str(len(scores)), _mean(scores)]
        for reference in REFERENCES:
            row += _cells(compared.get((arm, reference)))
        rows.append(row)
    return _aligned(rows)


def _mean(scores: list[float]) -> str:
    return str(mean_interval(scores)) if len(scores) > 1 else f"{np.mean(scores):.2f}"


def _cells(one: Comparison | None) -> list[str]:
    if one is None:
        return ["", "", "", ""]
    p = "-" if one.corrected is None else f"{one.corrected:.2g}"
    signed = f"{one.difference.mean:+.2f} ± {one.difference.half_width:.2f}"
    return [signed, p, f"{one.detectable:.1f}", one.verdict]


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
