"""How good a network is: IoU, intervals and paired tests; time and memory: see `.timing`."""

from .intervals import (
    Interval,
    detectable_difference,
    holm,
    mean_interval,
    paired_differences,
    pooled_intervals,
    sign_flip_p,
    verdict,
)
from .iou import confusion_matrix, iou_per_class, mean_iou, per_image_iou, pixel_accuracy
