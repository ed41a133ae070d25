"""Which data this machine has."""

from . import cifar10, stanford


def data_source(dataset: str) -> str:
    """The real set's name or "stand-in data", of "cifar10" or "stanford"."""
    return (cifar10.load_cifar10 if dataset == "cifar10" else stanford.load_stanford)().source
