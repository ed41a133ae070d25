"""Stanford Background: its format, splits, sizes, and the order in which it is looked for."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from helpers.datasets import (
    DataError,
    data_source,
    download,
    load_classes,
    load_stanford,
    resize,
    standin_stanford,
    stanford,
    stanford_release,
)
from helpers.session import data_directory
from tests.download_server import DownloadServer

COUNT = 20
SIZE = (30, 40)


@cache
def tree_of(count: int, folder: Path) -> Path:
    tree = folder / "iccv09Data"
    standin_stanford.write(tree, count)
    return tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A small release, unpacked. Tests that spoil it copy it first."""
    return tree_of(COUNT, tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def archive(tree):
    return pack(tree)


def pack(tree: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as file:
        file.add(tree, "iccv09Data")
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    monkeypatch.delenv("FUNNEL_MIRROR", raising=False)
    return tmp_path


def accept(tree: Path, monkeypatch) -> None:
    """Let a tree pass for the real release, by digests computed as README describes them."""
    digests = {}
    for kind, pattern in {
        "images": "*.jpg",
        **{k: f"*.{k}.txt" for k in stanford_release.KINDS},
    }.items():
        files = sorted(tree.rglob(pattern))
        lines = [f"{hashlib.md5(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files]
        digests[kind] = hashlib.md5("".join(lines).encode()).hexdigest()
    digests["horizons"] = hashlib.md5((tree / "horizons.txt").read_bytes()).hexdigest()
    monkeypatch.setattr(stanford_release, "DIGESTS", digests)


@pytest.fixture
def accepted(tree, monkeypatch):
    accept(tree, monkeypatch)


def truth(tree: Path, name: str, kind: str) -> np.ndarray:
    return np.loadtxt(tree / "labels" / f"{name}.{kind}.txt", dtype=int)


# The format


@given(arrays(np.int16, array_shapes(min_dims=2, max_dims=2), elements=st.integers(-1, 32767)))
def test_a_matrix_is_read_exactly(matrix):
    text = standin_stanford.as_text(matrix)
    assert text == "".join(" ".join(map(str, row)) + "\n" for row in matrix).encode()
    for variant in (text, text.rstrip(), text.replace(b"\n", b" \n"), text.replace(b"\n", b"\r\n")):
        assert np.array_equal(stanford_release.parse_matrix(variant, "layers", "x"), matrix)


NO_NUMBERS = (b"3 x\n", b"1 2.5\n", b"1 --1\n", b"1 -\n", b"1 2-1\n", b"#1 2\n", b"\x00\x7f\n")
TOO_LONG = b"1 12345678901234567890\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"1 2\n3\n", "the number of columns changed from 2 to 1"),
        (b"1 \xff\n", "ascii"),
        *((text, "could not convert") for text in (*NO_NUMBERS, TOO_LONG)),
        (b"1 8\n", r"value 8 is not in -1\.\.7"),
        (b"1 1234567\n", r"value 1234567 is not"),
        (b"1 -2\n", r"value -2 is not in -1\.\.7"),
        (b"1 255\n", r"value 255 is not in -1\.\.7"),
    ],
)
def test_a_malformed_matrix_is_an_error_that_names_the_file(text, complaint):
    with pytest.raises(DataError, match=f"^0000047.regions.txt: .*{complaint}"):
        stanford_release.parse_matrix(text, "regions", "0000047.regions.txt")


def test_each_task_has_its_range():
    assert stanford_release.parse_matrix(b"2 -1\n", "surfaces", "x").tolist() == [[2, -1]]
    with pytest.raises(DataError, match="value 3"):
        stanford_release.parse_matrix(b"2 3\n", "surfaces", "x")
    assert stanford_release.parse_matrix(b"134\n", "layers", "x").tolist() == [[134]]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("task", ["regions", "surfaces", "layers"])
def test_what_is_loaded_is_what_is_in_the_files(root, tree, archive, accepted, task, packed):
    if packed:
        (root / "iccv09Data.tar.gz").write_bytes(archive)
    else:
        shutil.copytree(tree, root / "iccv09Data")
    data = load_stanford(task, SIZE)
    assert data.source == "Stanford Background"
    assert data.title("Scenes") == "Scenes"
    assert data.classes == stanford.CLASSES[task]
    seen = []
    for part in (data.train, data.validation, data.test):
        assert part.images.shape == (len(part), 3, *SIZE)
        assert part.images.dtype == torch.uint8
        assert part.labels.dtype == (torch.int16 if task == "layers" else torch.int8)
        assert part.sources == tuple(int(name[0]) for name in part.ids)
        for i, name in enumerate(part.ids):
            full = truth(tree, name, task)
            assert np.array_equal(part.full_labels[i], full)
            assert np.array_equal(part.labels[i], resize.resize_nearest(full, SIZE))
            picture = np.array(Image.open(tree / "images" / f"{name}.jpg"))
            assert np.array_equal(part.full_image(i), picture)
            assert picture.shape[:2] == full.shape
        seen += part.ids
    assert sorted(seen) == [path.stem for path in sorted((tree / "images").iterdir())]


def test_unknown_stays_unknown(root, tree, archive, accepted):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    data = load_stanford("regions", SIZE)
    assert any((labels == -1).any() for labels in data.train.full_labels)
    assert (data.train.labels == -1).any()


def test_the_first_scenes(root, archive, accepted):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    train = load_stanford(size=SIZE).train
    few = train.first(3)
    assert (len(few), few.ids) == (3, train.ids[:3])
    assert few.images.shape[0] == few.labels.shape[0] == len(few.full_labels) == 3
    assert len(train.first(None)) == len(train)


def test_prepared_data_needs_no_archive(root, archive, accepted, capsys):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    load_stanford(size=SIZE)
    (root / "iccv09Data.tar.gz").unlink()
    data = load_stanford(size=(20, 24), split="article")  # another size, too
    assert data.source == "Stanford Background"
    assert data.train.images.shape[2:] == (20, 24)
    assert capsys.readouterr().out.splitlines()[1] == (
        "Data: 20 scenes of Stanford Background at 20x24, regions; split 'article': 12 / 4 / 4."
    )


def test_a_data_set_shows_itself_in_few_words(root, archive, accepted):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    assert "test=<4 scenes, images (4, 3, 30, 40)>" in repr(load_stanford(size=SIZE))


def test_a_lost_archive_is_named(root, archive, accepted):
    prepared = stanford._Prepared(root, True)
    with pytest.raises(DataError, match=r"iccv09Data\.tar\.gz is gone"):
        prepared.jpegs()


@pytest.mark.parametrize("options", [{"task": "horizons"}, {"split": "x"}, {"label_resize": "x"}])
def test_an_unknown_word_names_the_known_ones(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*; choose one of"):
        load_stanford(**options)


@pytest.mark.parametrize("size", [64, (64,), (0, 64), (64.0, 64), "64"])
def test_what_is_no_size_is_refused(size, tmp_path):
    with pytest.raises(ValueError, match=r"size is .*: give \(height, width\)"):
        load_stanford(size=size)
    with pytest.raises(ValueError, match=r"size is .*: give \(height, width\)"):
        load_classes(tmp_path, size)


# Damage


@pytest.fixture
def spoilt(tree, tmp_path_factory):
    return Path(shutil.copytree(tree, tmp_path_factory.mktemp("spoilt") / "iccv09Data"))


def some(tree: Path, kind: str) -> Path:
    return sorted((tree / "labels").glob(f"*.{kind}.txt"))[5]


def load_error(root, tree, monkeypatch) -> str:
    accept(tree, monkeypatch)
    (root / "iccv09Data.tar.gz").write_bytes(pack(tree))
    with pytest.raises(DataError) as caught:
        load_stanford(size=SIZE)
    assert not list((root / "prepared").rglob("*regions*"))
    return str(caught.value)


def test_sizes_of_picture_and_labels_are_compared(root, spoilt, monkeypatch):
    some(spoilt, "regions").write_bytes(b"1 2\n3 4\n")
    message = load_error(root, spoilt, monkeypatch)
    assert f"{some(spoilt, 'regions').name} is 2x2, its picture 240x320" in message


def test_a_class_that_does_not_exist(root, spoilt, monkeypatch):
    path = some(spoilt, "regions")
    path.write_bytes(path.read_bytes().replace(b"3", b"9", 1))
    assert f"{path.name}: value 9 is not in -1..7" in load_error(root, spoilt, monkeypatch)


def test_labels_without_picture(root, spoilt, monkeypatch):
    some(spoilt, "regions").rename(spoilt / "labels" / "9999999.regions.txt")
    assert "has either no picture or no regions.txt" in load_error(root, spoilt, monkeypatch)


def test_a_picture_that_is_none(root, spoilt, monkeypatch):
    path = sorted((spoilt / "images").iterdir())[3]
    path.write_bytes(b"no picture")
    assert f"{path.name} can't be read" in load_error(root, spoilt, monkeypatch)


def test_a_picture_that_ends_early(root, spoilt, monkeypatch):
    path = sorted((spoilt / "images").iterdir())[3]
    path.write_bytes(path.read_bytes()[:2000])
    accept(spoilt, monkeypatch)
    (root / "iccv09Data.tar.gz").write_bytes(pack(spoilt))
    with pytest.raises(DataError, match=f"{path.name} can't be read"):
        load_stanford(size=SIZE)
    assert not (root / stanford.PREPARED / "images-30x40").exists()


def test_other_contents_are_refused(root, archive):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    with pytest.raises(DataError, match=r"20 images files that are not the release's\. Delete"):
        load_stanford(size=SIZE)


def test_an_archive_of_something_else(root):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz"):
        pass
    (root / "iccv09Data.tar.gz").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="has no images"):
        load_stanford(size=SIZE)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_an_archive_that_ends_early(root, archive, share):
    path = root / "iccv09Data.tar.gz"
    path.write_bytes(archive[: int(share * len(archive))])
    with pytest.raises(stanford_release.CutOffError, match=r"iccv09Data\.tar\.gz is damaged"):
        load_stanford(size=SIZE)


@pytest.mark.parametrize("content", [b"<html>", b"\x1f\x8b" + b"\0" * 1000])
def test_what_is_no_archive(root, content):
    (root / "iccv09Data.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"iccv09Data\.tar\.gz is damaged"):
        load_stanford(size=SIZE)


def test_members_that_point_elsewhere_write_nothing(root, archive, tmp_path_factory):
    place = tmp_path_factory.mktemp("outside") / "inner"
    place.mkdir()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name in ("../images/evil.jpg", "/images/evil2.jpg"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            file.addfile(entry, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("iccv09Data/images/0000001.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        file.addfile(link)
    path = place / "iccv09Data.tar.gz"
    path.write_bytes(buffer.getvalue())
    assert "0000001" not in stanford_release.read(path, "images", checked=False)
    assert list(place.parent.rglob("*")) == [place, path]


def test_members_of_archives_that_are_too_large_are_not_read(root, archive, monkeypatch):
    monkeypatch.setattr(stanford_release, "LARGEST", 600)
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    with pytest.raises(DataError, match="has no images"):
        load_stanford(size=SIZE)


def _with_header_of(size: int) -> bytes:
    """A pax header that says it has `size` bytes, as a bomb's would."""
    header = tarfile.TarInfo("bomb")
    header.type, header.size = tarfile.XHDTYPE, size
    return header.tobuf(tarfile.USTAR_FORMAT)


def _with_member_of(size: int) -> bytes:
    member = tarfile.TarInfo("foreign.bin")
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(512)


def _with_members(count: int) -> bytes:
    return tarfile.TarInfo("empty").tobuf() * count


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (_with_header_of(1 << 31), "16777216 bytes in one piece"),
        (_with_member_of(12 << 30), "536870912 bytes"),
        (_with_members(20_002), "20000 files"),
    ],
    ids=["header of 2 GB", "member of 12 GB", "20,002 members"],
)
def test_bombs_are_refused_before_they_are_unpacked(root, content, complaint):
    (root / "iccv09Data.tar.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=f"no release has more than {complaint}"):
        load_stanford(size=SIZE)


def test_all_files_together_are_bounded(root, archive, monkeypatch):
    monkeypatch.setattr(stanford_release, "MOST_BYTES", len(archive) // 2)
    path = root / "iccv09Data"
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        file.extractall(root, filter="data")
    assert path.is_dir()
    with pytest.raises(DataError, match="no release has more than"):
        load_stanford(size=SIZE)


def test_a_picture_of_too_many_pixels_is_refused():
    buffer = io.BytesIO()
    Image.new("L", (5000, 5000)).save(buffer, "png")
    with pytest.raises(DataError, match=r"0000001\.jpg has 5000x5000 pixels"):
        resize.picture_size(buffer.getvalue(), "0000001.jpg")


@pytest.mark.parametrize("name", ["index.json", "jpegs.npy"])
@pytest.mark.parametrize("fault", ["flip", "cut", "gone"])
def test_damaged_originals_are_prepared_again(root, archive, accepted, capsys, name, fault):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    before = load_stanford(size=SIZE)
    path = root / stanford.PREPARED / "images" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if fault != "gone":
        path.write_bytes(content if fault == "flip" else content[:-1])
    after = load_stanford(size=SIZE)
    assert f"{name} is damaged. It is prepared again." in capsys.readouterr().out
    assert all((a == b).all() for a, b in zip(before.test.jpegs, after.test.jpegs, strict=True))


# The network


def use_address(address, monkeypatch):
    file = replace(stanford.RELEASE.archive, addresses=(address,))
    monkeypatch.setattr(stanford, "RELEASE", replace(stanford.RELEASE, archive=file))


def test_other_profiles_download_and_check_contents(root, archive, accepted, monkeypatch):
    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    with DownloadServer(archive) as server:
        use_address(server.address("cut-ranges"), monkeypatch)
        assert load_stanford(size=SIZE).source == "Stanford Background"


def test_a_download_with_other_contents_is_deleted(root, archive, monkeypatch, capsys):
    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    monkeypatch.setattr(standin_stanford, "write", lambda tree, _: tree_copy(archive, tree))
    with DownloadServer(archive) as server:
        use_address(server.address("ranges"), monkeypatch)
        assert load_stanford(size=SIZE).is_standin
    assert "that are not the release's" in capsys.readouterr().out
    assert {path.name for path in root.iterdir()} == {"stand-in", ".iccv09Data.tar.gz.lock"}


def tree_copy(archive, tree):
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        file.extractall(tree.parent, filter="data")


def test_the_ci_profile_never_downloads_and_real_data_goes_first(
    root, archive, accepted, monkeypatch, capsys
):
    monkeypatch.setattr(download, "download", lambda *_: pytest.fail("went to the network"))
    monkeypatch.setattr(standin_stanford, "write", lambda tree, _: tree_copy(archive, tree))
    assert data_source("stanford") == "stand-in data"
    assert list(root.iterdir()) == []
    data = load_stanford(size=SIZE)
    assert data.is_standin
    assert data.title("Scenes") == "Scenes - stand-in data"
    assert "stand-in data" in capsys.readouterr().out
    assert [path.name for path in root.iterdir()] == ["stand-in"]
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    assert data_source("stanford") == "Stanford Background"
    assert not load_stanford(size=SIZE).is_standin


# Sizes


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_nearest_is_pillows_nearest(h, w, new_h, new_w):
    labels = np.arange(h * w, dtype=np.int32).reshape(h, w)
    expected = Image.fromarray(labels).resize((new_w, new_h), Image.Resampling.NEAREST)
    found = resize.resize_nearest(labels, (new_h, new_w))
    # A centre on the border of two pixels belongs to either.
    row, column = (
        (2 * np.arange(new) + 1) * old % (2 * new) > 0 for new, old in ((new_h, h), (new_w, w))
    )
    assert np.array_equal(found[row][:, column], np.asarray(expected)[row][:, column])


def exact_bilinear(labels, size):
    """Bilinear with pixel centres in exact fractions: what `resize_bilinear` is short for."""

    def taps(new, old):
        for i in range(new):
            place = min(max((i + Fraction(1, 2)) * old / new - Fraction(1, 2), 0), old - 1)
            low = int(place)
            yield low, min(low + 1, old - 1), place - low

    result = np.empty(size, np.int8)
    for i, (top, bottom, down) in enumerate(taps(size[0], labels.shape[0])):
        for j, (left, right, across) in enumerate(taps(size[1], labels.shape[1])):
            rows = [int(labels[r, left]) * (1 - across) + int(labels[r, right]) * across
                    for r in (top, bottom)]  # fmt: skip
            value = rows[0] * (1 - down) + rows[1] * down
            result[i, j] = value if value.denominator == 1 else -1
    return result


@given(
    arrays(np.int8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(-1, 7)),
    st.sampled_from([(1, 1), (2, 3), (4, 4), (8, 6), (5, 7), (16, 9)]),
)
def test_bilinear_labels_keep_only_exact_classes(labels, size):
    found = resize.resize_bilinear(labels, size)
    assert found.dtype == labels.dtype
    exact = exact_bilinear(labels, size)
    # Weights that binary numbers can't hold may miss a class that only mixing makes.
    assert ((found == exact) | (found == -1)).all()
    same = np.full_like(labels, labels.flat[0])
    assert np.array_equal(resize.resize_bilinear(same, size), np.full(size, labels.flat[0]))


def test_a_border_may_become_a_class_that_is_not_there():
    """Half-way from sky (0) to water (4) is road (2): article B's labels have such pixels."""
    labels = np.repeat([[0, 0, 4, 4]], 4, 0).astype(np.int8)
    assert resize.resize_bilinear(labels, (4, 3))[0].tolist() == [0, 2, 4]
    assert resize.resize_bilinear(labels, (4, 2))[0].tolist() == [0, 4]


def test_bilinear_labels_of_the_articles_size():
    labels = np.zeros((240, 320), np.int8)
    labels[:, 160:] = 5
    resized = resize.resize_bilinear(labels, (224, 224))
    assert set(np.unique(resized)) <= {-1, 0, 5}
    assert (resized[:, :110] == 0).all()
    assert (resized[:, 114:] == 5).all()


def test_bilinear_labels_are_loaded_on_request(root, archive, accepted):
    (root / "iccv09Data.tar.gz").write_bytes(archive)
    nearest, bilinear = (load_stanford(size=SIZE, label_resize=how) for how in resize_names())
    assert not torch.equal(nearest.train.labels, bilinear.train.labels)
    assert (bilinear.train.labels == -1).sum() > 2 * (nearest.train.labels == -1).sum()
    expected = resize.resize_bilinear(bilinear.train.full_labels[0], SIZE)
    assert np.array_equal(bilinear.train.labels[0], expected)


def resize_names():
    return list(stanford.RESIZERS)


def test_pictures_keep_their_centre_and_do_not_alias():
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[::2] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    resized = resize.resize_picture(buffer.getvalue(), (15, 20), "x.png")
    assert resized.shape == (3, 15, 20)
    assert abs(resized[:, 2:-2].astype(int) - 127).max() < 20


# The splits

IDS = st.lists(
    st.tuples(st.sampled_from("012345689"), st.integers(0, 999999)), min_size=3, unique=True
).map(lambda pairs: [f"{source}{number:06d}" for source, number in pairs])


@given(IDS, st.sampled_from(sorted(stanford.SPLITS)))
def test_a_split_uses_every_scene_once(ids, split):
    train, validation, test = stanford.SPLITS[split](ids)
    assert sorted(train + validation + test) == list(range(len(ids)))
    assert len(validation) == len(test) == max(1, len(ids) // 5)


@given(IDS, st.randoms())
def test_a_split_does_not_depend_on_the_order(ids, random):
    other_order = random.sample(ids, len(ids))
    for split in stanford.SPLITS.values():
        first, second = (
            [[names[i] for i in part] for part in split(names)] for names in (ids, other_order)
        )
        assert first == second


def test_article_sorts_and_shuffled_mixes():
    ids = [f"{source}{number:06d}" for source in range(6, 10) for number in range(50)]
    train, _, test = ([ids[i][0] for i in part] for part in stanford.split_article(ids))
    assert (train, set(test)) == (sorted(train), {"9"})
    for part in stanford.split_shuffled(ids):
        counts = Counter(ids[i][0] for i in part)
        assert max(counts.values()) - min(counts.values()) <= 1
        first = Counter(ids[i][0] for i in part[:20])  # so that `first` is a fair choice
        assert max(first.values()) - min(first.values()) <= 1


def test_the_sizes_of_715():
    ids = [f"0{number:06d}" for number in range(715)]
    for split in stanford.SPLITS.values():
        assert [len(part) for part in split(ids)] == [429, 143, 143]


# The stand-in


def test_one_seed_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        standin_stanford.write(tmp_path / name, 3)
    first, second = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    )
    assert first == second
    assert len(first) == 3 * 4 + 1


def test_the_stand_in_has_all_that_the_real_set_has(tree):
    names = [path.stem for path in sorted((tree / "images").iterdir())]
    assert {name[0] for name in names} == set("012345689")
    regions, sizes = Counter(), Counter()
    for name in names:
        labels, surfaces, layers = (truth(tree, name, kind) for kind in stanford_release.KINDS)
        regions.update(np.unique(labels).tolist())
        sizes[labels.shape] += 1
        known = (labels >= 0) & (surfaces >= 0)
        assert np.array_equal(standin_stanford.SURFACES[labels][known], surfaces[known])
        assert set(np.unique(surfaces)) <= {-1, 0, 1, 2}
        for layer in np.unique(layers):  # a layer lies in one region
            inside = labels[(layers == layer) & (labels >= 0)]
            assert len(np.unique(inside)) <= 1
    assert set(regions) == set(range(-1, 8))
    assert sizes[240, 320] > len(names) / 2
    assert len(sizes) > 1
    lines = (tree / "horizons.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == names


def test_a_long_generation_shows_a_bar(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(standin_stanford, "MANY", 2)
    standin_stanford.write(tmp_path / "x", 2)
    assert "stand-in scenes: 100%" in capsys.readouterr().err


# The real set, where it is

REAL = data_directory() / stanford.RELEASE.archive.name
needs_real = pytest.mark.skipif(not REAL.exists(), reason="no real Stanford Background here")


@needs_real
def test_the_real_contents_are_the_releases():
    stanford_release.check(REAL)


@needs_real
def test_the_real_split_is_the_one_that_recorded_runs_used():
    shuffled, article = (load_stanford(split=split) for split in ("shuffled", "article"))
    for data in (shuffled, article):
        parts = data.train, data.validation, data.test
        assert [len(part) for part in parts] == [429, 143, 143]
        assert data.source == "Stanford Background"
    assert hashlib.md5(" ".join(shuffled.test.ids).encode()).hexdigest() == SHUFFLED_TEST
    assert set(article.validation.sources) == {6}
    assert sum(source in (8, 9) for source in article.test.sources) == 81
    counts = np.zeros(9, int)
    for part in (shuffled.train, shuffled.validation, shuffled.test):
        for labels in part.full_labels:
            counts += np.bincount(labels.ravel() + 1, minlength=9)
    shares = (100 * counts / counts.sum()).round(2).tolist()
    assert shares == [0.51, 14.48, 14.02, 22.52, 6.85, 4.00, 22.61, 1.34, 13.66]


SHUFFLED_TEST = "eee2bcbb293c121e29d542e29db471a4"
