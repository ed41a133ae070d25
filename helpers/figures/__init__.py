"""Figures of the notebooks: arrays in, matplotlib figures out; no torch."""

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
from .classification import (
    class_accuracy,
    funnel_at_work,
    pictures_by_class,
    predictions,
    predictions_by_batch,
    windows_before_after,
    winning_shares,
)
from .condition import (
    branch_map,
    branch_shares,
    compare_windows,
    pixel_arithmetic,
    reach,
    reach_growth,
    reach_maps,
    signed_pictures,
    start_of_condition,
    what_a_pixel_must_beat,
)
from .cost import kept_tensors, price_by_level, times_in_copies
from .diagrams import PART_WIRINGS, WIRINGS, arm_diagrams, placements, unet_shapes
from .maps import (
    iou_by_hand,
    label_maps,
    maps_by_arm,
    pictures_over_labels,
    predictions_beside_truth,
    scene_with_labels,
)
from .runs import (
    Difference,
    class_scores,
    difference_axis,
    learning,
    loss_over_band,
    losses_by_setting,
    pairs_of_runs,
    runs_by_arm,
    score_by_rate,
    score_over_epochs,
    training_curves,
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
from .style import LABELS, show
from .tables import show_table
