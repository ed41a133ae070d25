"""torchvision, also where its wheel stands beside a CPU-only torch."""

from __future__ import annotations

import sys
from types import ModuleType

import torch


def import_torchvision() -> ModuleType:
    """torchvision, also where its wheel stands beside a CPU-only torch.

    That wheel's compiled part wants CUDA libraries; without it the import fails for want of two
    operators' declarations. Making them lets transforms, grids, drawing and models work; the
    operators themselves, torchvision.io and detection stay out of reach. A matching pair needs
    nothing, and would abort the process if its operators were declared before it declares them.

    >>> import_torchvision().__name__
    'torchvision'
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        _declare_operators()
        import torchvision
    return torchvision


def _declare_operators() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left
    for name in ("nms", "qnms"):
        _DECLARED.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


_DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # what it declares lives as long as it
