"""Writing files whole or not at all, paths as a reader may see them, and the machine's name."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .session import repository


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; what was written there is moved to `path` in the end.

    When writing fails, `path` is as it was and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def machine() -> dict[str, Any]:
    """What was measured on: cpu, cores, threads of torch, torch, python, system.

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


def cpu_name() -> str:
    """The processor's name as the system gives it, or its architecture."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        lines = listed.read_text(encoding="utf-8").splitlines()
        name = next((line for line in lines if line.startswith("model name")), "")
    elif platform.system() == "Darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    else:
        name = platform.processor()
    return name.split(":")[-1].strip() or platform.machine()


def display_path(path: Path) -> str:
    """A path as a reader may see it: from the repository or the home directory on."""
    for base, mark in ((repository(), ""), (Path.home(), "~/")):
        if base and path.is_relative_to(base):
            return mark + path.relative_to(base).as_posix()
    return str(path)
