"""Kernels without TCP ports, and Ctrl-C that arrives, in every process of a test run."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from nbval import kernel


class PortlessKernelManager(kernel.KernelManager):
    """Talks with its kernel through sockets in a folder of its own.

    jupyter_client finds free TCP ports and lets go of them; until the kernel, a second later, binds
    them, any other process can take one. The kernel then dies, or hangs, before its first reply.
    """

    def __init__(self, **given: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
        connection = str(Path(self._folder.name, "kernel.json"))
        super().__init__(transport="ipc", connection_file=connection, **given)


if os.name != "nt":  # Windows' ZeroMQ need not have sockets in files
    kernel.KernelManager = PortlessKernelManager

# A shell's background jobs ignore Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
