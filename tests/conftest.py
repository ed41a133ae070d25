"""What every test shares: the ci profile, one thread, figures without a screen."""

from __future__ import annotations

import os

import matplotlib
import pytest

os.environ["FUNNEL_PROFILE"] = "ci"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores among them
matplotlib.use("agg")  # not by MPLBACKEND: the notebooks' kernels would inherit that


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    from matplotlib import pyplot

    yield
    pyplot.close("all")
