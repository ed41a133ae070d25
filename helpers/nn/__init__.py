"""Activations, LeNet and the U-Net; fast paths on a CPU: see `.fast_funnel` and its siblings."""

from .activations import (
    ACTIVATIONS,
    Activation,
    CrossFReLU,
    FReLU,
    Mish,
    PoolFunnel,
    SumFunnel,
    add_activation,
    make_activation,
    naive_mish,
)
from .networks import LeNet, UNet, block_shapes, initialise, parameter_count, restoring_state
