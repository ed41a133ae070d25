"""CIFAR-10: sixty thousand pictures of 32 x 32 pixels in ten classes (Krizhevsky 2009)."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..files import display_path
from ..session import current_profile, data_directory
from . import standin_cifar10
from .download import Remote, try_download
from .prepared import DataError, complete, read_array

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = Remote(
    name="cifar-10-python.tar.gz",
    addresses=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    md5="c58f30108f718f92721af3b95e74349a",
)
KERAS = "cifar10.npz"
PREPARED = Path("prepared", "cifar10-v1")
AGAIN = "Delete the file and load again, or put a good copy in its place."
TRAIN_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))


@dataclass(frozen=True)
class Images:
    """Labelled pictures. Introduced in notebook 03.

    images: (N, 3, 32, 32) uint8; labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Images:
        """The first `count` pictures; all of them for None."""
        return Images(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Cifar10:
    """The two parts of CIFAR-10 and where they are from ("CIFAR-10" or "stand-in data").

    Introduced in notebook 03.
    """

    train: Images
    test: Images
    classes: tuple[str, ...]
    source: str

    @property
    def is_standin(self) -> bool:
        """Whether these pictures were generated."""
        return self.source != "CIFAR-10"

    def title(self, text: str) -> str:
        """A figure's title, which says so when the data is stand-in data."""
        return f"{text} - {self.source}" if self.is_standin else text


def load_cifar10() -> Cifar10:
    """CIFAR-10 from `data_directory()`: prepared, downloaded, from the network, or stand-in data.

    Says in one line which data it is. In a profile that may not download, the network is left out.
    Raises DataError when a file that is there is damaged. Introduced in notebook 03.
    """
    root = data_directory()
    prepared = _prepare(root) or _prepare_download(root)
    source, classes = "CIFAR-10", CLASSES
    if prepared is None:
        source, classes = "stand-in data", standin_cifar10.CLASSES
        prepared = _prepare_standin(root)
    data = Cifar10(_part(prepared, "train"), _part(prepared, "test"), classes, source)
    name = "generated pictures in place of CIFAR-10 (stand-in data)" if data.is_standin else source
    print(f"Data: {name}, {len(data.train):,} to train on and {len(data.test):,} to test on.")
    return data


def _prepare(root: Path) -> Path | None:
    """The prepared directory, made now from a downloaded file; None when there is neither."""
    prepared = root / PREPARED
    if prepared.is_dir():
        return prepared
    for name, read in ((KERAS, read_npz), (ARCHIVE.name, read_archive)):
        if (root / name).is_file():
            return complete(prepared, partial(_write, root / name, read))
    return None


def _prepare_download(root: Path) -> Path | None:
    if current_profile().may_download and try_download(ARCHIVE, root):
        return _prepare(root)
    return None


def _prepare_standin(root: Path) -> Path:
    """Stand-in data has a directory of its own, so that real data goes first when it comes."""
    train, test = current_profile().standin_cifar
    place = root / "stand-in" / f"cifar10-v{standin_cifar10.VERSION}-{train}-{test}"
    complete(place, lambda part: standin_cifar10.write(part / KERAS, train, test))
    prepared = _prepare(place)
    assert prepared is not None
    return prepared


def _write(path: Path, read: Any, place: Path) -> None:
    for name, array in read(path).items():
        np.save(place / f"{name}.npy", array)


def _part(prepared: Path, part: str) -> Images:
    images = torch.from_numpy(read_array(prepared / f"x_{part}.npy", mapped=True))
    return Images(images, torch.from_numpy(read_array(prepared / f"y_{part}.npy")).long())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `cifar10.npz` as Keras lays it out, pictures as (N, 3, 32, 32).

    Raises DataError for a damaged file, other names, shapes or types, and labels outside 0..9.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f"{display_path(path)} is not CIFAR-10 as Keras lays it out: {error}. {AGAIN}"
        raise DataError(message) from error
    result = {}
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)
        if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
            raise DataError(
                f"{display_path(path)}: x_{part} is {images.dtype}{images.shape}. {AGAIN}"
            )
        result[f"x_{part}"] = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        result[f"y_{part}"] = _labels(labels, len(images), f"{display_path(path)}: y_{part}")
    return result


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the official archive. Nothing is unpickled before its md5 holds.

    Raises DataError for another md5 and for a batch that is not laid out as it should be.
    """
    import pooch

    found = pooch.file_hash(str(path), alg="md5")
    if found != ARCHIVE.md5:
        sums = f"its md5 is {found} instead of {ARCHIVE.md5}"
        raise DataError(f"{display_path(path)} is damaged: {sums}. {AGAIN}")
    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name in (*TRAIN_BATCHES, "test_batch") and (file := archive.extractfile(member)):
                content = restricted_load(file.read())
                batches[name] = _batch(content, f"{display_path(path)}: {member.name}")
    if missing := {*TRAIN_BATCHES, "test_batch"} - set(batches):
        raise DataError(f"{display_path(path)} has no {', '.join(sorted(missing))}. {AGAIN}")
    train = [batches[name] for name in TRAIN_BATCHES]
    x_test, y_test = batches["test_batch"]
    x_train, y_train = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _batch(content: dict[bytes, Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    data = content[b"data"]
    if data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise DataError(f"{name}: data is {data.dtype}{data.shape}. {AGAIN}")
    return data.reshape(-1, 3, 32, 32), _labels(np.asarray(content[b"labels"]), len(data), name)


def _labels(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    if len(labels) != count:
        raise DataError(f"{name}: {len(labels)} labels for {count} pictures. {AGAIN}")
    if wrong := sorted({int(label) for label in np.unique(labels)} - set(range(10))):
        raise DataError(f"{name}: label {wrong[0]} is not in 0..9. {AGAIN}")
    return labels.astype(np.uint8)


class _ArraysOnly(pickle.Unpickler):
    """Admits what the official batches hold: arrays, lists, dicts and text; nothing that runs."""

    ALLOWED: ClassVar = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        """The four names that an array needs. Raises DataError for any other."""
        if (module, name) not in self.ALLOWED:
            raise DataError(f"The pickle asks for {module}.{name}: no batch needs that. {AGAIN}")
        return self.ALLOWED[module, name]


def restricted_load(content: bytes) -> Any:
    """Unpickle arrays, lists, dicts, text (as bytes). Raises DataError for anything else."""
    return _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
