"""Swapping the activations of a network that somebody else wrote, and counting its operations."""

from .counting import multiply_adds, total_multiply_adds
from .replacing import swap_activation
from .report import SwapReport
from .torchvision import import_torchvision
