"""The layer of the figures."""

from __future__ import annotations

import subprocess
import sys


def test_figures_do_not_import_torch():
    code = "import sys, helpers.figures, helpers.figures.lab; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
