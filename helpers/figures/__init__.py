"""Figures of the notebooks: arrays in, matplotlib figures out; no torch in here."""

from .activations import (
    Curve,
    activity,
    bracket,
    dead_units,
    families,
    gradient_depth,
    one_by_one,
    overflow,
    photographs,
)
from .condition import (
    answers,
    branch_map,
    branch_shares,
    compare_windows,
    pixel_arithmetic,
    reach,
    reach_growth,
    reach_maps,
    start_of_condition,
    what_a_pixel_must_beat,
)
from .maps import (
    iou_by_hand,
    label_maps,
    maps_by_arm,
    pictures_over_labels,
    predictions_beside_truth,
    scene_with_labels,
)
from .scores import (
    beside_article,
    confusion_heatmap,
    iou_bars,
    iou_by_image,
    scored_in_ways,
    split_by_metric,
)
from .splits import class_shares, sources_in_splits
from .style import show
from .unet import training_curves, unet_shapes
