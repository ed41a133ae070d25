"""CIFAR-10 and Stanford Background: real where they can be had, stand-in data where not."""

import lazy_loader  # figures take the classes' colours from here, without torch

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
