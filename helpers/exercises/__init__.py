"""Checks of the reader's own code: `check.frelu(MyFReLU)` says what is right, or which mistake."""

from IPython.display import HTML

from .deployment import (
    CHANNELS as channels_by_relu,
    COST as funnel_cost,
    FOLD as fold_batch_norm,
    FOLDED as folded_frelu,
    GAINS as gains,
    SMALL_MAPS as small_maps,
)
from .exercise import Answer, Exercise, Mistake
from .funnel import (
    ACCURACY as accuracy,
    FRELU as frelu,
    PIXEL as pixel,
    REACH as receptive_side,
    SWAP as swap,
)
from .pointwise import BISECTION as bisection, MISH as mish, MISH_SLOPE as mish_slope
from .scores import (
    ARTICLE_IOU as article_iou,
    CONFUSION as confusion_matrix,
    IOU as iou,
    LEVEL as unet_level,
    RESIZE as resize_labels,
    SET_IOU as set_iou,
)
from .statistics import (
    READING as read_intervals,
    SIGN_FLIP as sign_flip,
    STANDARD_ERROR as standard_error,
    WORDS as in_words,
)

EXERCISES = {one.name: one for one in list(globals().values()) if isinstance(one, Exercise)}
"""Every exercise by its name."""


def solution(name: str) -> HTML:
    """The solution of an exercise, folded: the source that the check compares with.

    Raises ValueError for an unknown name, with those that there are. Introduced in notebook 01.
    """
    from html import escape

    if not isinstance(name, str) or name not in EXERCISES:
        raise ValueError(f"no exercise is called '{name}'; known: {', '.join(EXERCISES)}.")
    source = escape(EXERCISES[name].solution)
    return HTML(f"<details><summary>Solution of {name}</summary><pre>{source}</pre></details>")
