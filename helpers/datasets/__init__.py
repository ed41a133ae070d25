"""CIFAR-10 and Stanford Background: real where they can be had, stand-in data where not."""

from . import cifar10, stanford
from .cifar10 import Cifar10, Images, load_cifar10
from .download import DownloadError
from .folder import load_classes, load_folder
from .prepared import DataError
from .sources import STANDIN
from .stanford import Scenes, Stanford, load_stanford

RELEASES = {"cifar10": cifar10.RELEASE, "stanford": stanford.RELEASE}


def data_source(name: str) -> str:
    """Which data is loaded for "cifar10" or "stanford": the official name or "stand-in data".

    Downloads what the profile lets it; loads no arrays.
    """
    return RELEASES[name].name if RELEASES[name].is_available() else STANDIN
