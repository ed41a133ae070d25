"""Swapping the activations of a network that somebody else wrote, and counting its operations."""

from .counting import multiply_adds, total_multiply_adds
from .replacing import SwapReport, swap_activation
from .torchvision import import_torchvision
