# The commands of the series. Each is quick when there is nothing to do; ARGS="..." is passed on.

# The Python that makes .venv: 3.11, 3.12 or 3.13. For another one: make lab PYTHON=python3.12
PYTHON ?= python3
# On Linux without an NVIDIA driver the wheels of this index are preferred: no 2.8 GB of CUDA.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
export TORCH_INDEX

# A good .venv is kept, whichever Python made it, unless PYTHON is named.
KEEP = $(if $(filter file,$(origin PYTHON)),--any-python)
RUN = .venv/bin/python
# Jupyter refuses to run as root unless told, and in a container everybody is root.
CONTAINER = $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab test browser colab bench soak notebooks links figure results site slides kit grade setup plan clean
help:        ## list these commands
	@grep -E '^[a-z]+: .*##' Makefile | sed -E 's/^([a-z]+):[^#]*## /make \1\t/'

lab: setup   ## open JupyterLab on the notebooks
	$(RUN) -m jupyterlab notebooks $(CONTAINER) $(ARGS)

test: setup  ## lint, types, unit tests, examples, every notebook in the ci profile, coverage
	$(RUN) tools/run_tests.py $(ARGS)

browser: setup  ## the widgets in JupyterLab in Chromium alone; says how to get Chromium
	@$(RUN) tools/chromium.py
	$(RUN) tools/run_tests.py tests/browser -n0 $(ARGS)

colab: setup  ## the widgets' tests with Colab's ipywidgets, kept apart from .venv
	$(RUN) tools/colab_widgets.py $(ARGS)

soak: setup   ## slow campaigns: foreign networks, damaged data; a sample is in make test
	$(RUN) tools/soak.py $(ARGS)

notebooks: setup  ## execute the notebooks whose cells changed, in the class profile on real data
	$(RUN) tools/notebooks.py execute $(ARGS)

bench: setup  ## measure speed against what a user would copy; needs a quiet machine
	$(RUN) tools/run_benchmarks.py $(ARGS)

links: setup  ## write this repository's address into bootstrap cells and Colab badges
	$(RUN) tools/notebooks.py link

site: setup  ## the series as static pages with living labs, in build/site
	$(RUN) tools/pages.py

slides: setup  ## one HTML file of slides a notebook, with notes, in build/slides
	$(RUN) tools/slides.py

kit: setup   ## one archive for a day without a network: repository, data, wheels
	$(RUN) tools/kit.py

grade: setup  ## run a folder of handed-in notebooks: make grade ARGS=FOLDER
	$(RUN) tools/grade.py $(ARGS)

setup:       ## make or mend .venv, which every other command does first
	@$(PYTHON) tools/setup_environment.py $(KEEP)

plan:        ## ask pip what it would install; CUDA packages without a GPU are an error
	@$(PYTHON) tools/setup_environment.py --plan

figure: setup  ## draw the README's first figure
	$(RUN) tools/readme_figure.py

results: setup  ## write the README's main results, table and figure, from the records
	$(RUN) tools/main_results.py

clean:       ## remove .venv and what the tools left; data and your runs in data/cache stay
	rm -rf .venv .benchmarks .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
