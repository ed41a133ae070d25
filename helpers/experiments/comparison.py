"""The paired comparison of arms, each arm's mean with its interval, and a grid's report of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from ..evaluation.intervals import (
    Interval,
    detectable_difference,
    holm,
    mean_interval,
    paired_differences,
    pooled_intervals,
    sign_flip_p,
    verdict,
)
from ..training.recipes import Recipe
from .grids import CONTROLS, SIDE_CONTROLS, SWAP, grid_named
from .store import Store
from .tables import records

MARGIN = 1.0
"""Points of accuracy or mean IoU that matter, stated in notebook 06 before the first run."""

SCORES = ("accuracy", "accuracy_train_mode", "miou", "miou_article")
ARMS = (*SWAP, *CONTROLS, *SIDE_CONTROLS)
Pairs = Mapping[str, tuple[str, str]] | Iterable[tuple[str, str]]
COLUMNS = ["arm", "reference", "pairs", "difference", "low", "high", "low_90", "high_90"]
COLUMNS += ["p", "p_holm", "detectable", "verdict"]

ALIKE = (
    *("data", "task", "protocol", "train", "test", "size", "width", "split", "label_resize"),
    *("dtype", "recipe_version", *(field.name for field in fields(Recipe))),
)
"""What must be the same for runs to be compared: all that was asked but arm and seed, and the
number format. Which grid asked for a run, under which setting, changes no training; how many were
trained side by side changes its last digits.
"""


def compare(runs: pd.DataFrame, pairs: Pairs, score: str = "accuracy") -> pd.DataFrame:
    """Arms compared seed by seed: a row for each (arm, reference) that has two seeds in common.

    pairs: question -> (arm, reference), or these alone. Columns, in points: `difference` of the
    means, `low` and `high` of its 95 % interval, `low_90` and `high_90`, `p` of the exact sign-flip
    test, `p_holm` after Holm's correction over all rows (both NaN under 6 pairs), `detectable`
    (what so many pairs would have shown with a power of 80 %), and the `verdict` by MARGIN.

    Raises ValueError for runs that differ in more than arm and seed, for two runs of one arm and
    seed, for a score that the runs don't have or that is NaN, and for an arm that neither the runs
    nor the grids know. Introduced in notebook 03.
    """
    named = _named(pairs, {*runs["arm"], *ARMS})
    rows = {name: _compared(runs, *pair, score) for name, pair in named.items()}
    rows = {name: row for name, row in rows.items() if row}
    table = pd.DataFrame(list(rows.values()), index=list(rows), columns=COLUMNS)
    return table.assign(p=table["p"].astype(float), p_holm=_corrected(table["p"]))


def _named(pairs: Pairs, known: set[str]) -> dict[str, tuple[str, str]]:
    """The pairs by their question. Raises ValueError for what is no pair, or an unknown arm."""
    if not isinstance(pairs, Mapping):
        pairs = list(pairs)  # a generator can be read once only
        for pair in pairs:
            if isinstance(pair, str) or len(pair) != 2:
                raise ValueError(f"{pair!r} is no pair: give a list such as [('frelu', 'relu')].")
        pairs = {f"{arm} - {reference}": (arm, reference) for arm, reference in pairs}
    for arm in (arm for pair in pairs.values() for arm in pair):
        if arm not in known:
            raise ValueError(f"no arm is called '{arm}'; known: {', '.join(sorted(known))}.")
    return dict(pairs)


def _compared(runs: pd.DataFrame, arm: str, reference: str, score: str) -> dict[str, Any]:
    _check(runs[runs["arm"].isin([arm, reference])], [score])
    ours, theirs = (runs[runs["arm"] == name].set_index("seed") for name in (arm, reference))
    seeds = ours.index.intersection(theirs.index)
    if len(seeds) < 2:
        return {}
    differences = paired_differences(ours.loc[seeds, score], theirs.loc[seeds, score])
    interval, narrow = mean_interval(differences), mean_interval(differences, level=0.90)
    return {
        "arm": arm,
        "reference": reference,
        "pairs": len(differences),
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "low_90": narrow.low,
        "high_90": narrow.high,
        "p": sign_flip_p(differences),
        "detectable": detectable_difference(interval.std, interval.count),
        "verdict": verdict(differences, MARGIN),
    }


def _corrected(p: pd.Series) -> pd.Series:
    corrected = holm([None if pd.isna(one) else float(one) for one in p])
    return pd.Series(corrected, index=p.index, dtype=float)


def _check(runs: pd.DataFrame, scores: Sequence[str]) -> None:
    """Raise ValueError for unlike runs, for scores that they don't have, and for NaN."""
    _check_alike(runs)
    for score in scores if len(runs) else ():
        if score not in runs:
            known = ", ".join(name for name in SCORES if name in runs)
            raise ValueError(f"these runs have no score '{score}'; they have {known}.")
        for one in runs[runs[score].isna()].itertuples():
            raise ValueError(f"{score} of {one.arm}, seed {one.seed}, is NaN: leave the run out.")


def _check_alike(runs: pd.DataFrame) -> None:
    """Raise ValueError unless the runs differ in arm and seed alone, each pair of them there once.

    A LeNet's width is its arm's.
    """
    of_arm = ("width",) if runs["size"].isna().all() else ()
    settings = runs[list(ALIKE)].astype(object).where(runs[list(ALIKE)].notna(), None)
    kinds = {what: sorted({str(one) for one in settings[what]}) for what in ALIKE}
    differing = [
        f"{what} {' and '.join(found)}"
        for what, found in kinds.items()
        if len(found) > 1 and what not in of_arm
    ]
    if differing:
        raise ValueError(
            f"runs with {', '.join(differing)} can't be compared or averaged: choose "
            "those of one kind, or train your own in the same way."
        )
    for one in runs[runs.duplicated(["arm", "seed"])].itertuples():
        raise ValueError(
            f"{one.arm} has two records of seed {one.seed}: choose runs of one task, setting and "
            "size before you compare."
        )


def means(
    runs: pd.DataFrame, scores: Sequence[str], by: str = "arm", pooled: bool = False
) -> pd.DataFrame:
    """A row per arm: how many `runs`, and each score's mean with its 95 % interval, as `Interval`.

    Of one run there is the score alone. pooled: intervals from one deviation for all arms, where
    each has a few runs only (`pooled_intervals`). Arms come in the order of the grids' definitions,
    a reader's own at the end. Raises ValueError where the runs of a row differ in more than arm and
    seed, and as `compare` for the scores. Introduced in notebook 03.
    """
    groups = dict(iter(runs.groupby(by, sort=False)))
    for group in groups.values():
        _check(group, scores)
    table = pd.DataFrame({"runs": {name: len(group) for name, group in groups.items()}})
    for score in scores:
        of_arms = [group[score] for group in groups.values()]
        table[score] = pooled_intervals(of_arms) if pooled else [_mean(one) for one in of_arms]
    return table.loc[sorted(table.index, key=_rank)]


def _mean(scores: pd.Series) -> Interval | float:
    return mean_interval(scores) if len(scores) > 1 else scores.mean()


def _rank(arm: str) -> int:
    return ARMS.index(arm) if arm in ARMS else len(ARMS)


# --- for the terminal ---------------------------------------------------------------------------

LEGEND = f"""\
Points: mean with 95 % interval; differences are paired by seed. p: exact sign-flip test; p_holm:
after Holm's correction over the grid. detectable: the smallest true difference that so many seeds
would have shown in 4 of 5 trials. The margin: {MARGIN:g}; "smaller than the margin" is judged by
the 90 % interval (two one-sided tests at 5 %); "borderline" is an end within {MARGIN / 10:g} of
the zero or margin that it names."""
FORMATS = dict.fromkeys(("difference", "low", "high"), "{:+.2f}".format)
FORMATS |= dict.fromkeys(("p", "p_holm"), "{:.2g}".format) | {"detectable": "{:.1f}".format}


def report(grid: str, store: Store | None = None) -> str:
    """A grid's means and comparisons as text, Holm's correction over all comparisons of a score.

    Raises ValueError for an unknown grid.
    """
    question = grid_named(grid).question
    alike = parts(grid, store)
    if not alike:
        return f"{grid} has no records yet: python -m helpers.experiments run {grid}"
    blocks = [f"{grid}: {question}"]
    for score in (name for name in SCORES if name in next(iter(alike.values()))):
        made = [compare(runs, _comparisons(runs), score) for runs in alike.values()]
        p = _corrected(pd.concat([table["p"] for table in made], keys=range(len(made))))
        for number, (title, runs) in enumerate(alike.items()):
            table = made[number]
            if len(table):
                table = table.assign(p_holm=p.loc[number]).drop(
                    columns=["arm", "reference", "low_90", "high_90"]
                )
            mean = means(runs, [score]).to_string(float_format="{:.2f}".format)
            blocks.append(f"{title}: {score}\n{mean}")
            blocks += [table.to_string(formatters=FORMATS, na_rep="-")] if len(table) else []
    return "\n\n".join([*blocks, LEGEND])


def parts(grid: str, store: Store | None = None) -> dict[str, pd.DataFrame]:
    """The runs of a grid, and of the grid beside it, by what must be equal to compare them."""
    beside = grid_named(grid).beside
    runs = records(grid, *([beside] if beside else []), store=store)
    definitions = runs["definition"].fillna("")  # of a redefined arm, the runs recorded last
    runs = runs[definitions == definitions.groupby(runs["arm"]).transform("last")]
    keys = ["setting", *(name for name in ALIKE if name in runs and name != "width")]
    network = runs["width"].where(runs["size"].notna())
    found: dict[str, pd.DataFrame] = {}
    for _, part in runs.groupby([*keys, network], sort=False, dropna=False) if len(runs) else ():
        found[_title(part.iloc[0])] = part
    return found


def _title(run: pd.Series) -> str:
    size = f"{run['size']}, width {run['width']}" if run["size"] else ""
    data = "" if run["data"] != "stand-in data" else run["data"]
    words = [run["task"], run["setting"], size, f"{run['train']} images", data, run["dtype"]]
    return ", ".join(word for word in words if word)


def _comparisons(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Every arm against ReLU and against FReLU."""
    arms = sorted(set(runs["arm"]) - {"relu", "frelu"}, key=_rank)
    return [("frelu", "relu"), *((arm, other) for other in ("relu", "frelu") for arm in arms)]
