"""Files written atomically, paths shown to the reader, fingerprints, and the machine's name."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .session import repository

FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT")}


class FullDiskError(OSError):
    """The disk is full; the message names the file and, where it is known, what it needs."""


@contextmanager
def naming_full_disk(path: Path, needed: int = 0) -> Iterator[None]:
    """Raise FullDiskError, which says what to do, where there is no room to write `path`.

    needed: bytes, where they are known beforehand; more than are free are refused at once. numpy
    and torch raise errors of their own that name neither file nor disk; theirs is the cause.
    """
    if (free := _free_bytes(path)) is not None and free < needed:
        raise _full_disk(path, needed, free)
    try:
        yield
    except FullDiskError:
        raise
    except (OSError, RuntimeError) as error:
        free = _free_bytes(path)
        if getattr(error, "errno", None) not in FULL and (free is None or free > 1e6):
            raise
        raise _full_disk(path, needed, free) from error


def _free_bytes(path: Path) -> int | None:
    return shutil.disk_usage(path.parent).free if path.parent.is_dir() else None


def _full_disk(path: Path, needed: int, free: int | None) -> FullDiskError:
    sizes = f"{needed / 1e6:.1f} MB are needed" if needed else ""
    if free is not None:
        sizes += f"{', ' if sizes else ''}{free / 1e6:.1f} MB are free"
    room = f" ({sizes})" if sizes else ""
    words = f"the disk is full{room}: make room, or let FUNNEL_DATA name a folder elsewhere"
    return FullDiskError(errno.ENOSPC, words, display_path(path))


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a path to write to, which replaces `path` in the end.

    When writing fails, `path` is as it was and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with naming_full_disk(path):
            yield part
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def display_path(path: Path) -> str:
    """A path relative to the repository or the home directory, where it lies in one of them."""
    for base, mark in ((repository(), ""), (Path.home(), "~/")):
        if base and path.is_relative_to(base):
            return mark + path.relative_to(base).as_posix()
    return str(path)


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the tensors' bytes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def machine() -> dict[str, Any]:
    """What a time was measured on: cpu, cores, threads of torch, torch, python, system.

    Introduced in notebook 07.
    """
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def circumstances() -> dict[str, Any]:
    """Where this process computes, as a record keeps it: versions, machine, threads."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "helpers": f"{package_version()}, sources {_digest_of_decisive_sources()}",
    }
    processor = {
        "processor": cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.system(),
    }
    if torch.cuda.is_available():
        processor["gpu"] = torch.cuda.get_device_name()
    return {"versions": versions, "machine": processor, "threads": torch.get_num_threads()}


def package_version() -> str:
    """The version in pyproject.toml, or that of the installed package."""
    if root := repository():
        return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    try:
        return version("funnel-series")
    except PackageNotFoundError:
        return "unknown"


@cache
def _digest_of_decisive_sources() -> str:
    """Eight digits that stand for the modules that decide what a run measures."""
    folder, digest = Path(__file__).resolve().parent, hashlib.sha256()
    for name in ("nn", "training", "evaluation/iou.py"):
        for path in sorted([folder / name, *(folder / name).rglob("*.py")]):
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:8]


def cpu_name() -> str:
    """The processor's name as the system gives it, or its architecture."""
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        lines = cpus.read_text(encoding="utf-8").splitlines()
        name = next((line for line in lines if line.startswith("model name")), "")
    elif platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    else:
        name = platform.processor()
    return name.split(":")[-1].strip() or platform.machine()
