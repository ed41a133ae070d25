"""The data: CIFAR-10 and Stanford Background, real where it can be had, stand-in data where not."""

from .cifar10 import Cifar10, Images, load_cifar10
from .download import DownloadError
from .stanford import Scenes, Stanford, load_stanford
from .storage import DataError

__all__ = [
    "Cifar10",
    "DataError",
    "DownloadError",
    "Images",
    "Scenes",
    "Stanford",
    "load_cifar10",
    "load_stanford",
]
