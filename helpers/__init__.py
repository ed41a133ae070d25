"""What the notebooks import: the names of every module, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULE_OF = {
    name: module
    for module, names in {
        "session": "PROFILES Profile Session current_profile data_directory import_torchvision "
        "random_generator start",
        "activations": "ACTIVATIONS CrossFReLU FReLU Mish PoolFunnel SumFunnel add_activation "
        "make_activation naive_mish",
        "models": "LeNet UNet block_shapes initialise parameter_count",
        "metrics": "confusion_matrix iou_per_class mean_iou per_image_iou pixel_accuracy",
        "augmentation": "augment",
        "datasets": "load_cifar10 load_stanford",
        "training": "Evaluation History Recipe article_unet_recipe evaluate fit load_weights "
        "modern_unet_recipe predict tutorial_recipe",
        "scoring": "class_maps set_matrix",
        "intervals": "Interval class_intervals detectable_difference holm is_equivalent "
        "mean_interval mean_without paired_difference paired_differences sign_flip_p verdict",
        "experiments": "LossWindows Run answers by_seed compare of_one_size own_runs "
        "recorded_lenet recorded_maps records run_grid score size_told",
        "counting": "multiply_adds total_multiply_adds",
        "swapping": "SwapReport swap_activation",
    }.items()
    for name in names.split()
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    """Import a public name's module at its first use, so that `import helpers` costs little."""
    if name not in _MODULE_OF:
        raise AttributeError(f"helpers has no '{name}'; it has {', '.join(__all__)}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
