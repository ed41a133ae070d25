"""What the notebooks say in words about the records holds for the records.

Numbers are computed where they stand, and nbval compares them. A sentence can't be computed: here
each one that new records could refute stands beside its proof. Where a test fails, either the
sentence was rewritten (write it here as well) or the records have outgrown it (rewrite it there).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import helpers
from helpers.datasets.classes import REGIONS
from helpers.evaluation import mean_interval, verdict
from helpers.experiments import ARTICLE_B, PARTS, QUESTIONS, REACH, compare
from tools import main_results, notebooks

METRICS = [FAIR, ARTICLES] = ["miou", "miou_article"]
TRAIN_MODE = "accuracy_train_mode"
ARMS = ["relu", "frelu", "dw_bn_relu"]
SWAP = ["relu", "mish", "frelu"]
CLAIMS: list[tuple[str, str, Callable[[], bool]]] = []


def claim(notebook: str, sentence: str) -> Callable:
    """Register the decorated proof for a sentence of a notebook."""

    def keep(proof: Callable[[], bool]) -> Callable[[], bool]:
        CLAIMS.append((notebook, sentence, proof))
        return proof

    return keep


@cache
def text_of(notebook: str) -> str:
    if notebook.startswith("README"):
        return " ".join((main_results.README.parent / notebook).read_text("utf-8").split())
    return " ".join(" ".join(markdown_of(notebook)).split())


def markdown_of(notebook: str) -> list[str]:
    (path,) = [p for p in notebooks.stored_notebooks() if p.stem.startswith(notebook)]
    return [c.source for c in notebooks.read(path).cells if c.cell_type == "markdown"]


def lenets() -> pd.DataFrame:
    return helpers.records("lenet-swap", "lenet-controls")


def unets(grid: str, setting: str, task: str = "regions", size: str = "128x160") -> pd.DataFrame:
    asked = "task == @task and setting == @setting and size == @size"
    return helpers.records(grid).query(asked)


def one(runs: pd.DataFrame, arm: str, reference: str, score: str = "accuracy") -> pd.Series:
    return compare(runs, [(arm, reference)], score).iloc[0]


def pairs(runs: pd.DataFrame, arm: str, reference: str, score: str = "accuracy") -> np.ndarray:
    """The differences seed by seed."""
    by_seed = runs.pivot(index="seed", columns="arm", values=score)
    return (by_seed[arm] - by_seed[reference]).dropna().to_numpy()


def mean_of(runs: pd.DataFrame, score: str, arms: list[str] = SWAP) -> pd.Series:
    """The mean of each arm."""
    return runs.groupby("arm")[score].mean()[arms]


@claim("README.ja.md", "FReLU は 40 シードすべてで ReLU を上回ります")
@claim("03", "Over forty seeds FReLU leads ReLU and Mish in every pair")
def _() -> bool:
    found = [pairs(lenets(), "frelu", other) for other in ("relu", "mish")]
    return all(len(gaps) == 40 and (gaps > 0).all() for gaps in found)


@claim("03", "lies below ReLU's and Mish's in every stretch of the training, in each pair of runs")
def _() -> bool:
    ordered = lenets().sort_values("seed")
    curve = {arm: np.stack(ordered.query("arm == @arm")["curve_loss"]) for arm in SWAP}
    return all((curve["frelu"] < curve[arm]).all() for arm in ("relu", "mish"))


@claim("03", "On record (section 11) Mish lies between the two, nearer to ReLU")
def _() -> bool:
    relu, mish, frelu = mean_of(lenets(), "accuracy")
    return relu < mish < (relu + frelu) / 2


@claim("03", "exactly this network, `bn_relu`: about a third of the gap")
def _() -> bool:
    gains = [one(lenets(), arm, "relu").difference for arm in ("bn_relu", "frelu")]
    return 0.28 < gains[0] / gains[1] < 0.38


# --- 03: learning rates -----------------------------------------------------------------------


def rates() -> dict[float, pd.DataFrame]:
    return dict(iter(helpers.records("lenet-rate").groupby("learning_rate")))


def at_rate(rate: float, arm: str) -> np.ndarray:
    return rates()[rate].query("arm == @arm")["accuracy"].to_numpy()


@claim("03", "All three do best at the same one of these four rates, the article's own")
def _() -> bool:
    means = {arm: {r: at_rate(r, arm).mean() for r in rates()} for arm in ("relu", "mish", "frelu")}
    return {max(found, key=found.get) for found in means.values()} == {0.001}


@claim("03", "FReLU is ahead at each rate, in each of its five pairs")
def _() -> bool:
    found = [pairs(runs, "frelu", arm) for runs in rates().values() for arm in ("relu", "mish")]
    return all(len(gaps) == 5 and (gaps > 0).all() for gaps in found)


@claim("03", "The largest differences stand at the largest rate")
def _() -> bool:
    for arm in ("relu", "mish"):
        means = {rate: pairs(runs, "frelu", arm).mean() for rate, runs in rates().items()}
        if max(means, key=means.get) != max(means):
            return False
    return True


@claim(
    "03",
    "the two networks without BatchNorm end nearer to a guess (10 %) than to their best, and one "
    "of FReLU's five runs does, too",
)
def _() -> bool:
    def nearer_to_a_guess(arm: str, value: float) -> bool:
        return value - 10 < at_rate(0.001, arm).mean() - value

    means = [nearer_to_a_guess(arm, at_rate(0.01, arm).mean()) for arm in ("relu", "mish")]
    single = [nearer_to_a_guess("frelu", run) for run in at_rate(0.01, "frelu")]
    return all(means) and sum(single) == 1


# --- 06: the LeNet ----------------------------------------------------------------------------


@cache
def steps() -> dict[str, float]:
    chain = ("relu", "bn_relu", "dw_bn_relu", "frelu")
    made = zip(("BatchNorm", "layer", "funnel"), pairwise(chain), strict=True)
    return {name: one(lenets(), arm, before).difference for name, (before, arm) in made}


@claim("06", "Most of the gain comes with what FReLU brings along: a BatchNorm, and one more layer")
def _() -> bool:
    return steps()["BatchNorm"] + steps()["layer"] > sum(steps().values()) / 2


@claim(
    "06",
    "the extra depthwise layer is the largest part. The funnel, the wiring alone, is the smallest "
    "of the three",
)
def _() -> bool:
    return steps()["layer"] > steps()["BatchNorm"] > steps()["funnel"]


@claim("06", "and yet not nothing")
def _() -> bool:
    funnel = one(lenets(), "frelu", "dw_bn_relu")
    return funnel.low > 0 and funnel.p < 0.05 / 15  # by Holm's strictest step


@claim("06", "without the neighbourhood, about half of what FReLU has beyond BatchNorm is gone")
def _() -> bool:
    lost = one(lenets(), "frelu", "frelu_1x1").difference
    return 0.4 < lost / (steps()["layer"] + steps()["funnel"]) < 0.6


@claim("06", "By the words of section 3 that is smaller than the margin, at its border")
def _() -> bool:
    made = one(lenets(), "frelu", "sum_funnel")
    said = "smaller than the margin, borderline at zero and the margin"
    return 0 < made.difference < 1 and made.verdict == said


@claim("06", "the funnel's wiring adds about a point, above zero, size open")
def _() -> bool:
    made = one(lenets(), "frelu", "dw_bn_relu")
    return 0.5 < made.difference < 1.5 and made.verdict == "above zero, size open"


@claim("06", "*Average-pooling* in the window's place loses most of the gain")
def _() -> bool:
    lost = one(lenets(), "frelu", "avg_pool_funnel")
    return lost.low > one(lenets(), "frelu", "relu").difference / 2


@claim("06", "costs as much as FReLU and stays far below it")
def _() -> bool:
    return one(lenets(), "relu_wide", "frelu").high < -3


def longer() -> pd.DataFrame:
    return helpers.records("lenet-long")


@claim(
    "06", "after twenty epochs it is larger than the margin. It is less than the mean of the forty"
)
@claim("06", "in the same five seeds that decrease is open")
def _() -> bool:
    late, soon = (one(runs, "frelu", "relu") for runs in (longer(), lenets()))
    gains = [pairs(runs, "frelu", "relu", "accuracy") for runs in (longer(), lenets())]
    decrease = verdict(gains[0] - gains[1][: len(gains[0])], 1)
    less = 0 < late.difference < soon.difference
    return late.verdict == "larger than the margin" and less and decrease == "open"


@claim("06", "Nearly all of it is BatchNorm's and the extra layer's: the same layers without the")
@claim("06", "After twenty epochs the gain is still there, and the wiring's part is smaller than")
def _() -> bool:
    swap, layers, wiring = (one(longer(), *pair) for pair in LASTING)
    nearly_all = layers.difference > 0.8 * swap.difference
    small = wiring.verdict.startswith("smaller than the margin")
    return swap.verdict == "larger than the margin" and small and nearly_all


@claim(
    "06",
    "Mish's lead over ReLU is not seen after twenty epochs, though these five pairs leave room",
)
def _() -> bool:
    late, soon = (one(runs, "mish", "relu") for runs in (longer(), lenets()))
    return late.difference < 0 < soon.low and late.high > 1


LASTING = (("frelu", "relu"), ("dw_bn_relu", "relu"), ("frelu", "dw_bn_relu"))


@cache
def family() -> pd.DataFrame:
    """Notebook 06's comparisons, corrected together as it does."""
    return compare(lenets(), QUESTIONS | PARTS)


@claim("06", "Holm's correction over all fifteen planned comparisons")
def _() -> bool:
    return len(family()) == 15


@claim(
    "06",
    "*Beginning as ReLU* scores lower by more than a point; after the correction for fifteen "
    "comparisons the test leaves room for chance",
)
def _() -> bool:
    made = family().loc["beginning as ReLU"]
    return made.high < -1 and made.p_holm > 0.05


@claim(
    "06", "*No BatchNorm* scores lower before the correction, not after it; size open. The other"
)
def _() -> bool:
    words = family()["verdict"]
    others = words[["max-pooling", "wider window", "row and column"]]
    bare = family().loc["no BatchNorm"]
    return (
        others.str.startswith("open").all()
        and bare.p < 0.05 < bare.p_holm
        and "size open" in bare.verdict
    )


@claim("06", "it is worth nothing by itself. The funnel's part is larger here, beyond the margin")
def _() -> bool:
    alone = one(lenets(), "bn_relu", "relu", TRAIN_MODE)
    funnel = one(lenets(), "frelu", "dw_bn_relu", TRAIN_MODE)
    larger = funnel.difference > steps()["funnel"]
    words = alone.verdict, funnel.verdict
    return words == ("smaller than the margin", "larger than the margin") and larger


@claim(
    "06", "which of the two is second depends on the score; the first, the extra layer, does not"
)
def _() -> bool:
    chain = ("relu", "bn_relu", "dw_bn_relu", "frelu")
    made = [one(lenets(), arm, before, TRAIN_MODE) for before, arm in pairwise(chain)]
    parts = [each.difference for each in made]
    return parts[1] > parts[2] > parts[0] and steps()["layer"] > steps()["BatchNorm"]


@claim("06", "a wider convolution gives this LeNet nothing that could be told from none")
@claim("06", "Reach alone, by a wider convolution, adds nothing to BatchNorm")
def _() -> bool:
    reach, beyond = (one(lenets(), *pair) for pair in list(REACH.values())[:2])
    return reach.low < 0 < reach.high and beyond.verdict == "larger than the margin"


# --- 04 to 06: the U-Nets -----------------------------------------------------------------------


def gaps(setting: str, arm: str, reference: str) -> np.ndarray:
    return pairs(unets("unet-fair", setting), arm, reference, FAIR)


def last_loss(setting: str, arm: str, part: str) -> float:
    runs = unets("unet-fair", setting).query("arm == @arm")
    return runs[f"curve_{part}"].str[-1].mean()


@claim(
    "04",
    "first five epochs no recorded run of FReLU gets above 17 %, while each run of the others",
)
@claim("04", "the same layers with a ReLU at their end (notebook 06), doesn't lag")
def _() -> bool:
    runs = unets("unet-fair", "augmented").query("arm != 'wide_conv'")
    curves = {
        arm: 100 * np.stack(one) for arm, one in runs.groupby("arm")["curve_validation_score"]
    }
    lagging = curves.pop("frelu")[:, :5].max() < 17
    return lagging and all(found[:, :5].max(1).min() > 17 for found in curves.values())


@claim(
    "04", "FReLU's training loss, a little behind at first, has caught up with theirs by the fourth"
)
def _() -> bool:
    losses = unets("unet-fair", "augmented").groupby("arm")["curve_train_loss"]
    means = losses.agg(lambda runs: np.mean(runs.tolist(), axis=0))
    behind = means["frelu"] - np.mean(means[["relu", "mish", "dw_bn_relu"]].tolist(), axis=0)
    return all(behind[:2] > 0) and all(abs(behind[3:7]) < 0.05)


@claim("04", "no run comes within two points of its best score in the first half of training")
@claim("04", "while the rate is high, the scores jump up and down; as it sinks, both curves settle")
def _() -> bool:
    runs = unets("unet-fair", "augmented").query("arm in @SWAP")
    scores, losses = (
        np.stack(runs[f"curve_{curve}"]) for curve in ("validation_score", "train_loss")
    )
    half = scores.shape[1] // 2
    late = scores[:, :half].max(axis=1) < scores.max(axis=1) - 0.02
    jumping, settled = (np.ptp(scores[:, part], axis=1) for part in (slice(half), slice(-3, None)))
    even = np.ptp(losses[:, -3:], axis=1) < 0.1 * losses[:, -1]
    return late.all() and even.all() and settled.max() < 0.02 < jumping.min()


@claim("04", "there the runs of one activation lie further apart than the activations do")
def _() -> bool:
    runs = unets("unet-fair", "augmented")
    last = runs["curve_validation_score"].str[-1].groupby(runs["arm"])
    spread = last.agg(np.ptp)[SWAP].mean()
    return spread > np.ptp(last.mean()[SWAP])


@cache
def unlike(arm: str, other: str) -> float:
    """The share of pixels that two recorded networks name differently."""
    sheets = zip(helpers.recorded_maps(arm), helpers.recorded_maps(other), strict=True)
    return float(np.concatenate([(one != two).ravel() for one, two in sheets]).mean())


@claim("04", "The three agree on most pixels")
def _() -> bool:
    return max(unlike("relu", "mish"), unlike("relu", "frelu"), unlike("mish", "frelu")) < 0.2


@claim("04", "ReLU's network and Mish's are most alike")
def _() -> bool:
    return unlike("relu", "mish") < min(unlike("relu", "frelu"), unlike("mish", "frelu"))


@claim(
    "04", "The training losses sink to about half of what they were, or less, while the validation"
)
def _() -> bool:
    arms = set(unets("unet-fair", "plain")["arm"]) & set(SWAP)
    by_heart = [
        last_loss("plain", arm, "train_loss") < 0.6 * last_loss("augmented", arm, "train_loss")
        and last_loss("plain", arm, "validation_loss")
        > last_loss("augmented", arm, "validation_loss")
        for arm in arms
    ]
    return {"relu", "frelu"} <= arms and all(by_heart)


@claim("04", "fits the training pictures best in both panels. In these pairs that goes with a gain")
def _() -> bool:
    best = [
        last_loss(setting, "frelu", "train_loss") < last_loss(setting, "relu", "train_loss")
        for setting in ("augmented", "plain")
    ]
    gained = gaps("augmented", "frelu", "relu").mean(), gaps("plain", "frelu", "relu").mean()
    return all(best) and gained[0] > 1 and gained[1] < 0


def without_mountain(runs: pd.DataFrame) -> pd.Series:
    others = [f"iou_{name}" for name in REGIONS if name != "mountain"]
    return runs[others].mean(axis=1)


@claim("05", "It pulls the mean down by several points in every run")
def _() -> bool:
    runs = unets("unet-fair", "augmented")
    return (without_mountain(runs) - runs[FAIR]).min() > 3


@claim("05", "`water` moves more, and `building` nearly as much")
def _() -> bool:
    runs = unets("unet-fair", "augmented").query("arm in @SWAP")
    spread = runs.groupby("arm")[[f"iou_{name}" for name in REGIONS]].std().mean()
    share = spread.rename(lambda name: name.removeprefix("iou_")) / spread["iou_mountain"]
    rest = share.drop(["water", "building", "mountain"])
    return share["water"] > 1 > share["building"] > 0.8 > rest.max()


@claim("05", "on record it does so against article B's mean over images in every run")
def _() -> bool:
    runs = helpers.records("unet-fair", "unet-article")
    return (runs[FAIR] > runs[ARTICLES]).all()


@claim("05", "Article B's numbers for regions are far below what this network has just reached")
def _() -> bool:
    reached = mean_of(unets("unet-fair", "augmented"), FAIR)
    return reached["frelu"] > 100 * max(best for _, best in ARTICLE_B["regions"].values()) + 15


@claim("05", "By the fair metric FReLU is ahead in these runs; by article B's metric the three lie")
def _() -> bool:
    fair, theirs = (mean_of(unets("unet-fair", "augmented"), metric) for metric in METRICS)
    return fair.idxmax() == "frelu" and np.ptp(theirs) < 1


def of_article(setting: str, metric: str) -> pd.Series:
    return unets("unet-article", setting).set_index(["arm", "seed"])[metric]


def changes(after: pd.Series, before: pd.Series) -> np.ndarray:
    """What has both scores, by arm and seed."""
    return (after - before).dropna().to_numpy()


@claim("05", "the same maps lose some fifteen to twenty points by it, whatever network and split")
def _() -> bool:
    both = ("article's split", "shuffled split")
    lost = [changes(of_article(s, ARTICLES), of_article(s, FAIR)) for s in both]
    return -22 < np.concatenate(lost).min() <= np.concatenate(lost).max() < -14


@claim("05", "The *recipe* costs a point or two")
def _() -> bool:
    plain = unets("unet-fair", "plain").set_index(["arm", "seed"])[FAIR]
    lost = changes(of_article("shuffled split", FAIR), plain)
    return len(lost) > 1 and -2.5 < lost.min() <= lost.max() < 0


@claim("05", "On record the metric is ahead of the split in every network, by a wide margin")
def _() -> bool:
    by_split = [
        changes(of_article("article's split", m), of_article("shuffled split", m)) for m in METRICS
    ]
    runs = helpers.records("unet-article").query("task == 'regions'")
    by_metric = runs[FAIR] - runs[ARTICLES]
    return by_metric.min() > 2 * np.abs(np.concatenate(by_split)).max()


@claim("05", "on the article's own split these networks score *higher*, by both metrics")
def _() -> bool:
    gained = [
        changes(of_article("article's split", m), of_article("shuffled split", m)) for m in METRICS
    ]
    return np.concatenate(gained).min() > 0


@claim("05", "by the article's own recipe, split and metric, it is not behind at all")
def _() -> bool:
    return mean_of(unets("unet-article", "article's split"), ARTICLES).idxmax() == "relu"


@claim(
    "05", "by the fair metric FReLU is level with ReLU on the article's split, by the article's own"
)
def _() -> bool:
    fair, theirs = (
        pairs(unets("unet-article", "article's split"), "frelu", "relu", metric).mean()
        for metric in METRICS
    )
    return abs(fair) < 1 and theirs < -2


@claim("05", "In all these pairs but one FReLU's maps name more classes")
def _() -> bool:
    ways = [("unet-fair", "augmented"), ("unet-fair", "plain"), ("unet-article", "article's split")]
    more = [pairs(unets(*way), "frelu", "relu", "classes_per_picture") for way in ways]
    return (np.concatenate(more) < 0).sum() == 1


@claim("06", "it gains in every pair, with and without `mountain`, and its interval lies beyond")
@claim("06", "In this U-Net the gain on regions is the extra layer's, in every pair and beyond the")
def _() -> bool:
    runs = unets("unet-fair", "augmented").assign(rest=without_mountain)
    found = [pairs(runs, "dw_bn_relu", "relu", score) for score in (FAIR, "rest")]
    words = {one(runs, "dw_bn_relu", "relu", score).verdict for score in (FAIR, "rest")}
    return min(map(min, found)) > 0 and words == {"larger than the margin"}


@claim("README.ja.md", "ファネルの配線は利得を減らします")
@claim("06", "and the 95 % interval lies below zero. So the first half of what article B's reader")
@claim("06", "The swap as a whole, layer and wiring together, is above zero, its size open")
def _() -> bool:
    wiring, swap = (
        one(unets("unet-fair", "augmented"), "frelu", other, FAIR)
        for other in ("dw_bn_relu", "relu")
    )
    return wiring.high < 0 and swap.verdict == "above zero, size open"


@claim("06", "after Holm's correction the first four questions all have a p below 5 %")
def _() -> bool:
    questions = [("frelu", "relu"), ("frelu", "mish"), ("dw_bn_relu", "relu")]
    questions += [("frelu", "dw_bn_relu"), ("wide_conv", "relu"), ("dw_bn_relu", "wide_conv")]
    found = compare(unets("unet-fair", "augmented"), questions, FAIR)
    return set(found.pairs[:4]) == {10} and found.p_holm[:4].max() < 0.05


@claim(
    "06", "scores lower than ReLU in each of five pairs (below zero, size open), and lower than the"
)
def _() -> bool:
    reach, beyond = (gaps("augmented", *pair) for pair in REACHES)
    return len(reach) > 1 and reach.max() < 0 < beyond.min()


REACHES = ("wide_conv", "relu"), ("dw_bn_relu", "wide_conv")


@claim("06", "with it the same layers score lower in nine pairs of ten")
def _() -> bool:
    found = gaps("augmented", "frelu", "dw_bn_relu")
    return len(found) == 10 and (found < 0).sum() == 9


def gaps_without_mountain(arm: str, reference: str) -> np.ndarray:
    runs = unets("unet-fair", "augmented")
    return pairs(runs.assign(rest=without_mountain(runs)), arm, reference, "rest")


@claim("06", "in all ten seeds either gain is larger with augmentation than without")
@claim("06", "And both differences of the differences exclude zero")
def _() -> bool:
    ways = [
        unets("unet-fair", way).pivot(index="seed", columns="arm", values=FAIR)
        for way in ("augmented", "plain")
    ]
    more, less = (scores.sub(scores["relu"], axis="index") for scores in ways)
    changes = [(more - less)[arm].dropna() for arm in ARMS[1:]]
    return all(len(c) == 10 and c.min() > 0 and mean_interval(c).low > 0 for c in changes)


@claim(
    "06", "what is left is smaller than the margin, if only just; for the swap the interval just"
)
@claim("06", "Without augmentation nothing is left of the gain.")
def _() -> bool:
    layer, swap = (
        one(unets("unet-fair", "plain"), arm, "relu", FAIR) for arm in ("dw_bn_relu", "frelu")
    )
    gone = max(layer.difference, swap.difference) < 0
    return gone and layer.verdict.startswith("smaller than the margin") and 0 < swap.high < 0.05


@claim("06", "`dw_bn_relu` loses most by it")
def _() -> bool:
    lost = {arm: mean_of(unets("unet-fair", "augmented"), FAIR, ARMS)[arm] for arm in ARMS}
    left = mean_of(unets("unet-fair", "plain"), FAIR, ARMS)
    return max(ARMS, key=lambda arm: lost[arm] - left[arm]) == "dw_bn_relu"


@claim(
    "06",
    "both arms with the extra layer fit the training pictures closer, down to little more than a",
)
def _() -> bool:
    losses = [last_loss("plain", arm, "train_loss") for arm in ARMS]
    on_others = [last_loss("plain", arm, "validation_loss") for arm in ARMS]
    third = 0.28 < losses[2] / losses[0] < 0.45
    return sorted(losses)[::-1] == losses and sorted(on_others) == on_others and third


@claim("06", "In the mean `dw_bn_relu` loses most by it, but these runs don't tell it apart from")
def _() -> bool:
    changes = [
        gaps("augmented", arm, "relu") - gaps("plain", arm, "relu")
        for arm in ("dw_bn_relu", "frelu")
    ]
    return changes[0].mean() > changes[1].mean() and "open" in verdict(changes[0] - changes[1], 1)


def on_surfaces(arm: str, reference: str) -> np.ndarray:
    return pairs(unets("unet-fair", "augmented", "surfaces"), arm, reference, FAIR)


@claim("06", "Smaller. The runs of one arm also differ less from each other")
@claim("06", "in each of ten pairs the extra layer gains, and in each the same layers score lower")
@claim("06", "On surfaces the extra layer alone is ahead of both in every pair, by less")
def _() -> bool:
    found = []
    for pair in (("dw_bn_relu", "relu"), ("dw_bn_relu", "frelu")):
        regions, surfaces = gaps("augmented", *pair), on_surfaces(*pair)
        found += [len(surfaces) == 10, surfaces.min() > 0, surfaces.mean() < regions.mean()]
        found += [regions.mean() > 0, surfaces.std() < regions.std()]
    return all(found)


@claim("06", "What the wiring costs is smaller than the margin, half a point, and yet its interval")
@claim("06", "The swap as a whole is smaller than the margin, too")
def _() -> bool:
    runs = unets("unet-fair", "augmented", "surfaces")
    wiring, swap = (one(runs, "frelu", other, FAIR) for other in ("dw_bn_relu", "relu"))
    small = all(row.verdict.startswith("smaller than the margin") for row in (wiring, swap))
    return small and -0.65 < wiring.difference < -0.35 and wiring.high < 0


def surfaces() -> pd.DataFrame:
    theirs = unets("unet-article", "article's split", "surfaces")
    return pd.concat([theirs, unets("unet-fair", "augmented", "surfaces")])


@claim(
    "05",
    "Some four to seven points, about a third of what regions lose, and the *sky* pays most of",
)
def _() -> bool:
    runs = surfaces()
    whole, sky = runs[ARTICLES] - runs[FAIR], runs["iou_article_sky"] - runs["iou_sky"]
    return -7 < whole.min() <= whole.max() < -4 and sky.mean() < 0.6 * (3 * whole).mean()


@claim("05", "The other two classes count in every picture. Sky is missing in some")
def _() -> bool:
    raw = [helpers.record(run.grid, run.Index) for run in surfaces().itertuples()]
    counted = [one["metrics"]["article"]["counted"] for one in raw]
    return all(sky < 143 and rest == [143, 143] for sky, *rest in counted)


@claim("05", "What is left to the article is less as well, a few points at most")
def _() -> bool:
    means = mean_of(unets("unet-article", "article's split", "surfaces"), ARTICLES)
    article = {arm: 100 * mean for arm, (mean, _) in ARTICLE_B["surfaces"].items()}
    return all(0 < means[arm] - theirs < 4 for arm, theirs in article.items())


@claim("05", "Its ranking on surfaces is Mish, FReLU, ReLU, all within a point and a half")
def _() -> bool:
    relu, mish, frelu = (100 * ARTICLE_B["surfaces"][arm][0] for arm in SWAP)
    return mish > frelu > relu > mish - 1.5


@claim(
    "05", "Mish's run is first too, but FReLU is not ahead of ReLU, and two runs of one activation"
)
def _() -> bool:
    runs = unets("unet-article", "article's split", "surfaces")
    found = runs.groupby("arm")[ARTICLES].agg(["mean", np.ptp])
    apart = found["mean"]["relu"] - found["mean"]["frelu"]
    return found["mean"].idxmax() == "mish" and 0 < apart < found["ptp"][["relu", "frelu"]].min()


def of_article_size(task: str, setting: str = "article's split") -> pd.DataFrame:
    return unets("unet-article", setting, task, "224x224").set_index(["arm", "seed"])


@claim("05", "All but one of these networks score higher than the small ones of the same seed")
def _() -> bool:
    both = helpers.records("unet-article").set_index(["size", "task", "setting", "arm", "seed"])
    grown = (both.loc["224x224", METRICS] - both.loc["128x160", METRICS]).dropna()
    return len(grown) == 12 and ((grown < 0).any(axis=1)).sum() == 1


@claim("README.md", "by its recipe, split, metric and size the networks here score higher, and on")
@claim(
    "05", "on regions every run here, by the article's metric and on its split, lies above the best"
)
def _() -> bool:
    grows = [
        mean_of(of_article_size(task).reset_index(), ARTICLES)
        > mean_of(unets("unet-article", "article's split", task), ARTICLES)
        for task in ARTICLE_B
    ]
    best = max(maximum for _, maximum in ARTICLE_B["regions"].values())
    return bool(pd.concat(grows).all()) and of_article_size("regions")[ARTICLES].min() > 100 * best


@claim("README.ja.md", "regions では FReLU が ReLU を上回りません(2 シード")
@claim("05", "On regions FReLU is last here, in both seeds and by both metrics")
@claim("05", "on the article's split neither pair shows one")
def _() -> bool:
    scores = of_article_size("regions")[METRICS].unstack("arm")
    return len(scores) == 2 and all(
        set(scores[metric].idxmin(axis=1)) == {"frelu"} for metric in METRICS
    )


@claim("05", "a gain by FReLU of five to six points, as in the article")
def _() -> bool:
    means = {arm: 100 * mean for arm, (mean, _) in ARTICLE_B["regions"].items()}
    return 5 < means["frelu"] - means["relu"] < 6


@claim(
    "05", "On surfaces the three lie within a point and a half in either table, in another order"
)
def _() -> bool:
    here = of_article_size("surfaces")[ARTICLES].droplevel("seed")
    theirs = pd.Series({arm: 100 * mean for arm, (mean, _) in ARTICLE_B["surfaces"].items()})
    close = np.ptp(here) < 1.5 and np.ptp(theirs) < 1.5
    return close and list(here.sort_values().index) != list(theirs.sort_values().index)


@claim("05", "FReLU is first by the fair metric, and by the article's it is not")
def _() -> bool:
    here = of_article_size("regions", "shuffled split")
    return here[FAIR].idxmax() == ("frelu", 0) != here[ARTICLES].idxmax()


# --- numbers of a stored run, which an execution changes -----------------------------------------


@cache
def printed(number: str) -> str:
    """All that the stored notebook's code cells print."""
    (path,) = (one for one in notebooks.stored_notebooks() if one.name.startswith(number))
    cells = [cell for cell in notebooks.read(path).cells if cell.cell_type == "code"]
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


STORED = [
    ("03", "In the stored run cat and dog", r"\ncat and dog: \d+ pictures mixed up\ndeer"),
    ("05", "Of the table, about a quarter in the stored run", r"2[2-8]% of the table is empty"),
    ("07", '"copied" takes twenty-two times as long, "fast" seven', r" 22\.\d t.*\n.* 7\.\d t"),
    (
        "07",
        'twelve times its floor, "fast" four',
        r"(11\.[5-9]|12\.[0-4]) t.*\n.* (3\.[5-9]|4\.[0-4]) t",
    ),
    ("07", "By a factor of four in the stored run", r"kept: .* (3\.[5-9]|4\.[0-4]) times as fast"),
    ("07", "In the stored run 1.2 times", r"training step frelu .* 1\.(1[5-9]|2[0-4]) times"),
    ("08", "Nine, used seventeen times", r"9 ReLUs, used 17 times"),
]
for number, sentence, found in STORED:
    claim(number, sentence)(
        lambda number=number, found=found: bool(re.search(found, printed(number)))
    )


@claim("08", "the first stages took about 16 s a run more than ReLU for about 5 points; the last")
@claim("08", "stages 6 s more, for a gain that isn't shown")
def _() -> bool:
    lines = re.findall(r"seed \d, (.+?) +([\d.]+)%  \((\d+) s\)", printed("08"))
    runs = pd.DataFrame(lines, columns=["arm", "score", "seconds"])
    means = runs.set_index("arm").astype(float).groupby("arm").mean()
    more = means - means.loc["ReLU everywhere"]
    first, last = (more.loc[f"FReLU in the {part} stages"] for part in ("first", "last"))
    long = 15 < first.seconds < 17 and 5 < last.seconds < 7
    return long and 4.5 < first.score < 5.5 and abs(last.score) < 1


# --- every sentence ---------------------------------------------------------------------------


@pytest.mark.parametrize(("notebook", "sentence", "proof"), CLAIMS, ids=[c[1][:40] for c in CLAIMS])
def test_a_sentence_holds_on_record(notebook, sentence, proof):
    assert sentence in text_of(notebook)
    assert proof()
