"""The grids: which runs answer which question, with every number that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..session import PROFILES, Profile, best_device, current_profile
from ..training.recipes import Recipe, article_unet_recipe, modern_unet_recipe, tutorial_recipe
from .run import Run

SWAP = ("relu", "mish", "frelu")
CONTROLS = ("bn_relu", "bn_frelu", "dw_bn_relu", "frelu_1x1", "sum_funnel", "wide_conv")
SIDE_CONTROLS = (
    "max_pool_funnel",
    "avg_pool_funnel",
    "frelu_5x5",
    "frelu_1x3_3x1",
    "frelu_no_bn",
    "frelu_gamma0",
    "relu_wide",
)
WIDE_CHANNELS = 19
"""conv2's channels in `relu_wide`: 705,720 multiply-adds, the nearest to FReLU's 708,456.

LeNet needs 363,720 + 18,000 a channel. Its parameters grow by 15 %.
"""
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
"""Article A's rate among them: those runs repeat lenet-swap's, to rounding."""

SEEDS = {
    "lenet-swap": 40,
    "lenet-controls": 40,
    "side controls": 10,
    "lenet-rate": 5,
    "lenet-long": 5,
}
FAIR_SEEDS: dict[tuple[str, str], dict[str, int]] = {
    ("regions", "augmented"): dict.fromkeys((*SWAP, "dw_bn_relu"), 10) | {"wide_conv": 5},
    ("regions", "plain"): {"relu": 10, "mish": 3, "frelu": 10, "dw_bn_relu": 10},
    ("surfaces", "augmented"): dict.fromkeys((*SWAP, "dw_bn_relu"), 10),
}
"""Task and setting -> arm -> seeds of the U-Nets by the fair protocol, in the class profile."""

ARTICLE_SEEDS, FULL_SEEDS = 2, 5
"""Of the U-Nets by the article's recipe, and of every U-Net in the full profile."""

TINY_SEEDS = 2
"""Of any grid in the ci profile."""

MOST_SIDE_BY_SIDE = 10
"""LeNets trained as one: 2 to 3 times as many an hour as one by one."""


@dataclass(frozen=True)
class Grid:
    """A question and the runs that answer it. `runs` gets a profile and the data's source.

    beside: another grid whose arms belong into the comparison: same recipe, same seeds.
    """

    name: str
    question: str
    dataset: str
    runs: Callable[[Profile, str], list[Run]]
    beside: str | None = None

    def profile(self) -> Profile:
        """The session's; with a GPU the U-Nets run at the articles' size unless it is `ci`."""
        profile = current_profile()
        large = self.dataset == "stanford" and best_device().type == "cuda"
        return PROFILES["full"] if large and profile.name == "class" else profile


# --- LeNet --------------------------------------------------------------------------------------


def _seeds(profile: Profile, grid: str) -> range:
    return range(TINY_SEEDS if profile.name == "ci" else SEEDS[grid])


def _lenet(
    profile: Profile, source: str, grid: str, arm: str, seed: int, recipe: Recipe, setting: str = ""
) -> Run:
    """A run of article A's task; `relu_wide` is ReLU in a network with a wider conv2."""
    wide = arm == "relu_wide"
    return Run(
        grid=grid,
        arm=arm,
        task="cifar10",
        activation="relu" if wide else arm,
        seed=seed,
        data=source,
        protocol="tutorial",
        recipe=recipe,
        setting=setting,
        train=profile.lenet_train,
        test=profile.lenet_test,
        width=WIDE_CHANNELS if wide else None,
        side_by_side=min(len(_seeds(profile, grid)), MOST_SIDE_BY_SIDE),
    )


def _lenet_swap(profile: Profile, source: str) -> list[Run]:
    recipe = tutorial_recipe(profile)
    return [
        _lenet(profile, source, "lenet-swap", arm, seed, recipe)
        for seed in _seeds(profile, "lenet-swap")
        for arm in SWAP
    ]


def _lenet_controls(profile: Profile, source: str) -> list[Run]:
    recipe = tutorial_recipe(profile)
    few = _seeds(profile, "side controls")
    return [
        _lenet(profile, source, "lenet-controls", arm, seed, recipe)
        for seed in _seeds(profile, "lenet-controls")
        for arm in (*CONTROLS, *(SIDE_CONTROLS if seed in few else ()))
    ]


def _lenet_rate(profile: Profile, source: str) -> list[Run]:
    recipes = [replace(tutorial_recipe(profile), learning_rate=rate) for rate in RATES]
    return [
        _lenet(profile, source, "lenet-rate", arm, seed, recipe, f"rate {recipe.learning_rate:g}")
        for seed in _seeds(profile, "lenet-rate")
        for recipe in recipes
        for arm in SWAP
    ]


def long_recipe(profile: Profile) -> Recipe:
    """Article A's optimiser over ten times its epochs, in batches of 64, on one cycle.

    The rate's peak, 0.016, was not tuned: the tutorial's 1e-3 for batches of 4, in proportion to
    the batch (Goyal et al. 2017, arXiv 1706.02677). Weight decay 5e-4.
    """
    return Recipe(
        epochs=2 if profile.name == "ci" else 20,
        batch=64,
        optimiser="sgd",
        learning_rate=0.016,
        schedule="one_cycle",
        weight_decay=5e-4,
        threads=1,
    )


def _lenet_long(profile: Profile, source: str) -> list[Run]:
    return [
        _lenet(profile, source, "lenet-long", arm, seed, long_recipe(profile))
        for seed in _seeds(profile, "lenet-long")
        for arm in (*SWAP, "dw_bn_relu")
    ]


# --- U-Net --------------------------------------------------------------------------------------


def _unet(
    profile: Profile, source: str, recipe: Recipe, task: str, setting: str, arm: str, seed: int
) -> Run:
    """A run of article B's task.

    The fair protocol's setting is the augmentation, the article's the split.
    """
    fair = setting in ("augmented", "plain")
    return Run(
        grid="unet-fair" if fair else "unet-article",
        arm=arm,
        task=task,
        activation=arm,
        seed=seed,
        data=source,
        protocol="fair" if fair else "article",
        recipe=replace(recipe, threads=1),
        setting=setting,
        train=profile.unet_train,
        test=profile.unet_test,
        size=profile.unet_size,
        width=profile.unet_width,
        split="article" if setting == "article's split" else "shuffled",
        label_resize="nearest" if fair else "bilinear",
    )


def _unet_fair(profile: Profile, source: str) -> list[Run]:
    runs = []
    for (task, setting), seeds in FAIR_SEEDS.items():
        recipe = modern_unet_recipe(profile, augmentation=setting == "augmented")
        if profile.name != "class":
            seeds = dict.fromkeys(seeds, TINY_SEEDS if profile.name == "ci" else FULL_SEEDS)
        runs += [
            _unet(profile, source, recipe, task, setting, arm, seed)
            for seed in range(max(seeds.values()))
            for arm, count in seeds.items()
            if seed < count
        ]
    return runs


def _unet_article(profile: Profile, source: str) -> list[Run]:
    """By the article's recipe: both tasks on its own split, regions on the shuffled one too.

    Every net is scored by both metrics, so that split x metric is complete where the question is.
    """
    recipe = article_unet_recipe(profile)
    tables = (
        ("regions", "article's split"),
        ("surfaces", "article's split"),
        ("regions", "shuffled split"),
    )
    return [
        _unet(profile, source, recipe, task, setting, arm, seed)
        for task, setting in tables
        for seed in range(FULL_SEEDS if profile.name == "full" else ARTICLE_SEEDS)
        for arm in SWAP
    ]


_ALL = (
    Grid(
        "lenet-swap",
        "Does the swap pay in article A's classifier, by its own recipe?",
        "cifar10",
        _lenet_swap,
    ),
    Grid(
        "lenet-controls",
        "Is it the maximum, the depth or the BatchNorm? Which window, which condition?",
        "cifar10",
        _lenet_controls,
        beside="lenet-swap",
    ),
    Grid("lenet-rate", "Does the answer depend on the learning rate?", "cifar10", _lenet_rate),
    Grid(
        "lenet-long",
        "Does the gain last in a longer training with a schedule?",
        "cifar10",
        _lenet_long,
    ),
    Grid(
        "unet-fair",
        "Does the swap pay in article B's U-Net, on a split and by a metric that are fair?",
        "stanford",
        _unet_fair,
    ),
    Grid(
        "unet-article",
        "What did article B measure: the activation, the split or the metric?",
        "stanford",
        _unet_article,
    ),
)
GRIDS = {grid.name: grid for grid in _ALL}


def grid_named(name: str) -> Grid:
    """The grid of that name. Raises ValueError, with the names, for any other."""
    if not isinstance(name, str) or name not in GRIDS:
        raise ValueError(f"No grid is called {name!r}; the grids are {', '.join(GRIDS)}.")
    return GRIDS[name]
