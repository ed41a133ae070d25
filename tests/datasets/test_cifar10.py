"""CIFAR-10: its formats, the order in which it is looked for, and its stand-in."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.datasets import (
    DataError,
    DownloadError,
    cifar10,
    data_source,
    download,
    load_cifar10,
    standin_cifar10,
)
from helpers.nn.networks import LeNet, initialise
from helpers.session import PROFILES, data_directory
from helpers.training.loop import fit
from helpers.training.prediction import evaluate
from helpers.training.recipes import tutorial_recipe
from tests.download_server import DownloadServer

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (60, 32, 32, 3), np.uint8)
LABELS = (np.arange(60) % 10).astype(np.uint8)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    monkeypatch.delenv("FUNNEL_MIRROR", raising=False)
    return tmp_path


def write_npz(path, **other):
    arrays = {
        "x_train": PICTURES[:50],
        "y_train": LABELS[:50, None],  # Keras' labels are (N, 1)
        "x_test": PICTURES[50:],
        "y_test": LABELS[50:, None],
    }
    np.savez(path, **(arrays | other))


def archive(change=None):
    """A small archive in the official layout, as bytes; `change(name, batch)` may spoil a batch."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for number, name in enumerate([*cifar10.TRAIN_BATCHES, "test_batch", "batches.meta"]):
            part = slice(10 * number, 10 * number + 10)
            pictures = PICTURES[part].transpose(0, 3, 1, 2).reshape(-1, 3072)
            batch = {b"batch_label": b"x", b"labels": LABELS[part].tolist(), b"data": pictures}
            content = pickle.dumps((change or (lambda _, b: b))(name, batch), protocol=3)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def official(monkeypatch):
    """Makes bytes pass for the official archive."""

    def accept(content, *addresses):
        md5 = hashlib.md5(content).hexdigest()
        file = replace(cifar10.RELEASE.archive, md5=md5, addresses=addresses)
        monkeypatch.setattr(cifar10, "RELEASE", replace(cifar10.RELEASE, archive=file))
        return content

    return accept


def check_real(data):
    assert data.source == "CIFAR-10"
    assert not data.is_standin
    assert data.title("Digits") == "Digits"
    assert data.classes == cifar10.CLASSES
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64
    expected = torch.from_numpy(PICTURES.transpose(0, 3, 1, 2).copy())
    assert torch.equal(torch.cat([data.train.images, data.test.images]), expected)
    assert torch.cat([data.train.labels, data.test.labels]).tolist() == LABELS.tolist()


def test_the_npz_of_keras(root, capsys):
    write_npz(root / "cifar10.npz")
    check_real(load_cifar10())
    assert capsys.readouterr().out == "Data: CIFAR-10, 50 to train on and 10 to test on.\n"


def test_the_official_archive(root, official):
    (root / cifar10.RELEASE.archive.name).write_bytes(official(archive()))
    check_real(load_cifar10())


def test_a_data_set_shows_itself_in_few_words(root):
    write_npz(root / "cifar10.npz")
    assert "test=<10 pictures, images (10, 3, 32, 32)>" in repr(load_cifar10())


def test_prepared_data_needs_no_file(root):
    write_npz(root / "cifar10.npz")
    load_cifar10()
    (root / "cifar10.npz").unlink()
    check_real(load_cifar10())


def test_the_first_pictures():
    data = cifar10.Images(torch.arange(12).reshape(4, 3, 1, 1), torch.arange(4))
    assert len(data.first(3)) == 3
    assert data.first(3).images.shape[0] == 3
    assert len(data.first(None)) == 4


def test_stand_in_data_says_so_and_gives_way_to_real_data(root, capsys):
    data = load_cifar10()
    assert data.is_standin
    assert data.source == "stand-in data"
    assert data.title("Digits") == "Digits - stand-in data"
    assert data.classes == standin_cifar10.CLASSES
    assert (len(data.train), len(data.test)) == (3000, 500)
    assert capsys.readouterr().out.count("\n") == 1
    assert [path.name for path in root.iterdir()] == ["stand-in"]
    assert list(root.rglob("cifar10.npz"))
    write_npz(root / "cifar10.npz")
    check_real(load_cifar10())


def test_the_source_is_known_without_loading(root):
    assert data_source("cifar10") == "stand-in data"
    assert list(root.iterdir()) == []
    (root / "cifar10.npz").touch()
    assert data_source("cifar10") == "CIFAR-10"


def test_the_ci_profile_never_downloads(root, monkeypatch):
    monkeypatch.setattr(download, "download", lambda *_: pytest.fail("went to the network"))
    assert load_cifar10().is_standin


def test_other_profiles_download(root, monkeypatch, official):
    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    with DownloadServer(archive()) as server:
        official(server.content, server.address("ranges"))
        check_real(load_cifar10())
        check_real(load_cifar10())
    assert len(server.requests) == 1


def test_a_failed_download_is_reported_and_replaced(root, monkeypatch, capsys):
    asked = []

    def fail(*_):
        asked.append(1)
        raise DownloadError("cifar-10-python.tar.gz could not be downloaded.")

    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    monkeypatch.setattr(download, "download", fail)
    monkeypatch.setattr(cifar10, "_standin", lambda root: root / "small")
    (root / "small").mkdir()
    write_npz(root / "small" / "cifar10.npz")
    assert load_cifar10().is_standin
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cifar-10-python.tar.gz could not be downloaded."
    assert "stand-in data" in lines[1]
    load_cifar10()
    assert "could not" not in capsys.readouterr().out  # who is offline waits only once
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"x_test": PICTURES[50:, :16]}, "x_test is uint8(10, 16, 32, 3)"),
        ({"x_train": PICTURES[:50] / 255}, "x_train is float64"),
        ({"x_train": PICTURES[:0], "y_train": LABELS[:0]}, "x_train has no pictures"),
        ({"y_train": LABELS[:49]}, "49 labels for 50 pictures"),
        ({"y_test": np.full(10, 10)}, "y_test has label 10, not in 0..9"),
        ({"y_test": np.full(10, -1)}, "y_test has label -1, not in 0..9"),
        ({"y_test": np.full(10, 8.99)}, "y_test has label 8.99, not in 0..9"),
        ({"y_test": np.array([None] * 10)}, "allow_pickle"),
    ],
)
def test_a_wrong_npz_is_an_error_that_names_it(root, other, complaint):
    write_npz(root / "cifar10.npz", **other)
    with pytest.raises(DataError) as caught:
        load_cifar10()
    assert "cifar10.npz" in str(caught.value)
    assert complaint in str(caught.value)
    assert not (root / cifar10.PREPARED).exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 and no more"])
def test_what_is_no_npz_is_an_error(root, content):
    (root / "cifar10.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"cifar10\.npz is not CIFAR-10"):
        load_cifar10()


def test_an_npz_that_unpacks_to_too_much_is_not_read(root, monkeypatch):
    monkeypatch.setattr(cifar10, "LARGEST", 10_000)
    write_npz(root / "cifar10.npz")
    with pytest.raises(DataError, match=r"cifar10\.npz .* too large"):
        load_cifar10()


def test_names_that_keras_does_not_have(root):
    np.savez(root / "cifar10.npz", x=PICTURES)
    with pytest.raises(DataError, match="x_train"):
        load_cifar10()


class Attack:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def test_nothing_is_unpickled_before_the_md5_holds(root, tmp_path):
    touched = tmp_path / "touched"
    attack = Attack(os.mkdir, (str(touched),))
    (root / cifar10.RELEASE.archive.name).write_bytes(archive(lambda *_: attack))
    with pytest.raises(DataError, match="its md5 is"):
        load_cifar10()
    assert not touched.exists()


@pytest.mark.parametrize(
    "call",
    [
        (os.mkdir, ("touched",)),
        (eval, ("1",)),
        (getattr, ({}, "keys")),
        (np.load, ("x.npy",)),
        (np.frombuffer, (b"1", "u1")),
        (bytearray, (b"1",)),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_the_reader_of_pickles_refuses_what_runs(call, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({b"data": Attack(*call)}, protocol=protocol)
    with pytest.raises(DataError, match="The pickle imports"):
        cifar10.restricted_load(content)
    assert list(tmp_path.iterdir()) == []


def test_a_malicious_batch_in_an_accepted_archive_is_refused(root, official, monkeypatch):
    monkeypatch.chdir(root)
    content = archive(lambda _, batch: batch | {b"labels": Attack(os.mkdir, ("touched",))})
    (root / cifar10.RELEASE.archive.name).write_bytes(official(content))
    with pytest.raises(DataError, match=r"mkdir"):
        load_cifar10()
    assert not (root / "touched").exists()


def python2_pickle(array):
    """An array of bytes as Python 2 and the NumPy of 2009 pickled it: their text is bytes today."""
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    shape = b"".join(b"M" + struct.pack("<H", size) for size in array.shape) + b"\x86"
    data = b"T" + struct.pack("<i", array.size) + array.tobytes()
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return b"\x80\x02}U\x04data" + empty + b"(K\x01" + shape + dtype + b"\x89" + data + b"tbs."


def test_pickles_of_python_2():
    array = RANDOM.integers(0, 256, (4, 3072), np.uint8)
    loaded = cifar10.restricted_load(python2_pickle(array))
    assert np.array_equal(loaded[b"data"], array)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _, b: b | {b"labels": [11] * 10}, "label 11"),
        (lambda _, b: b | {b"data": b[b"data"][:, :100]}, r"data uint8\(10, 100\)"),
        (lambda _, b: b | {b"labels": [1]}, "1 labels for 10 pictures"),
    ],
)
def test_wrong_batches_are_named(root, official, change, complaint):
    (root / cifar10.RELEASE.archive.name).write_bytes(official(archive(change)))
    with pytest.raises(DataError, match=complaint) as caught:
        load_cifar10()
    assert "data_batch_1" in str(caught.value)


def test_a_missing_batch_is_named(root, official, monkeypatch):
    (root / cifar10.RELEASE.archive.name).write_bytes(official(archive()))
    monkeypatch.setattr(cifar10, "TRAIN_BATCHES", ("data_batch_1", "data_batch_6"))
    with pytest.raises(DataError, match="has no data_batch_6"):
        load_cifar10()


def test_one_seed_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        standin_cifar10.write(tmp_path / f"{name}.npz", 200, 50)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_every_class_is_drawn_and_train_is_not_test(tmp_path):
    standin_cifar10.write(tmp_path / "a.npz", 300, 300)
    arrays = cifar10.read_npz(tmp_path / "a.npz")
    assert set(arrays["y_train"]) == set(range(10))
    assert not np.array_equal(arrays["x_train"], arrays["x_test"])


def test_the_ci_profile_trains_a_lenet_above_60_percent(root):
    """Else a broken loop would not be noticed; and nothing gets everything right."""
    data, recipe = load_cifar10(), tutorial_recipe(PROFILES["ci"])
    model = initialise(LeNet(), 0)
    history = fit(model, data.train, None, recipe, progress=False)
    assert history.steps == recipe.epochs * len(data.train) // recipe.batch
    assert history.train_loss[-1] < 0.8 * history.train_loss[0]
    assert 0.6 < evaluate(model, data.test, recipe).score < 0.98


REAL = [data_directory() / "cifar10.npz", data_directory() / cifar10.PREPARED]


@pytest.mark.skipif(not any(path.exists() for path in REAL), reason="no real CIFAR-10 here")
def test_the_real_data():
    data = load_cifar10()
    assert data.source == "CIFAR-10"
    assert data.train.labels.bincount().tolist() == [5000] * 10
    assert data.test.labels.bincount().tolist() == [1000] * 10
    means = data.train.images.float().mean((0, 2, 3)) / 255
    assert means.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-4)
