"""CIFAR-10 and Stanford Background: real where they can be had, stand-in data where not."""

from .cifar10 import Cifar10, Images, load_cifar10
from .download import DownloadError
from .prepared import DataError
from .stanford import Scenes, Stanford, load_stanford
