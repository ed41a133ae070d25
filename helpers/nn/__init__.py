"""Activations, LeNet, the U-Net, and their fast paths on a CPU."""

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
from .networks import LeNet, UNet, block_shapes, initialise, parameter_count, undisturbed
