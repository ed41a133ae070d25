"""What every test shares: the ci profile, one thread, figures without a screen."""

from __future__ import annotations

import os

import matplotlib

os.environ["FUNNEL_PROFILE"] = "ci"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores among them
matplotlib.use("agg")  # not by MPLBACKEND: the notebooks' kernels would inherit that
