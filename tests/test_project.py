"""The project's files agree: packages, addresses, commands, README; ruff and mypy pass."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

from helpers.exercises import EXERCISES
from tools import minutes, notebooks, run_tests, setup_environment

ROOT = notebooks.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = [line for line in README.split("\n") if line.startswith("| [")]
RUNNING = (ROOT / "site" / "running.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "playwright": "playwright-python",
}


def ranges(section: str) -> dict[str, str]:
    """Name and range of each package in a section of pyproject.toml."""
    listed = PROJECT["dependencies"]
    if section == "dev":
        listed = PROJECT["optional-dependencies"]["dev"]
    return {r.name: str(r.specifier) for r in map(Requirement, listed)}


RUNTIME, DEVELOPMENT = ranges("runtime"), ranges("dev")
RANGES = RUNTIME | DEVELOPMENT


def pins() -> dict[str, str]:
    """Name and version of each line of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def conda() -> dict[str, tuple[str, str]]:
    """Name, range and reason of each line of environment.yml."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8").split("dependencies:")[1]
    lines = re.findall(r"^ +- ([\w-]+(?!:)\b) ?([^#\n]*?)(?:  # (.+))?$", text, re.MULTILINE)
    return {name: (spec, reason) for name, spec, reason in lines}


# --- packages -----------------------------------------------------------------------------------


def imports(source: str) -> set[str]:
    """The top-level packages that code imports, inside functions too."""
    code = "\n".join(line for line in source.split("\n") if not line.startswith(("%", "!")))
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def distributions_of(sources) -> set[str]:
    """The packages to install for what the sources import."""
    ours = {"helpers", "tools", "tests", "benchmarks"}
    ours |= {path.stem for path in (ROOT / "tests").rglob("*.py")}
    names = set().union(*map(imports, sources)) - sys.stdlib_module_names - ours
    return {canonicalize_name(packages_distributions()[name][0]) for name in names}


def code_of(folder: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py")]


def test_what_readers_import_is_a_dependency():
    cells = [
        cell.source
        for path in notebooks.stored_notebooks()
        for cell in notebooks.read(path).cells
        if cell.cell_type == "code"
    ]
    assert distributions_of(code_of("helpers") + cells) <= set(RUNTIME)


def test_what_tests_and_tools_import_is_a_development_dependency():
    assert distributions_of(code_of("tests") + code_of("tools")) <= set(RANGES)


def test_the_three_lists_name_the_same_packages():
    assert set(pins()) == set(RANGES)
    assert set(conda()) == {CONDA_NAMES.get(name, name) for name in RANGES} | {"python", "pip"}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_pin_and_conda_range_are_those_of_pyproject(name):
    requirement = Requirement(f"{name}{RANGES[name]}")
    assert requirement.specifier.contains(pins()[name])
    spec, _ = conda()[CONDA_NAMES.get(name, name)]
    assert Requirement(f"{name}{spec}").specifier == requirement.specifier


@pytest.mark.parametrize(("name", "line"), conda().items())
def test_conda_understands_each_line_and_it_has_a_reason(name, line):
    spec, reason = line
    assert MatchSpec(f"conda-forge::{name} {spec}", strict=True).name is not None
    assert reason or name == "python"


def test_each_range_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name, specifier in re.findall(r'^    "([\w-]+)(>=[^"]*)",', text, re.MULTILINE):
        assert re.search(rf'"{name}{re.escape(specifier)}", +# \w+', text), name


def test_torch_is_pinned_as_a_pair():
    assert (pins()["torch"], pins()["torchvision"]) == ("2.13.0", "0.28.0")


def test_supported_pythons_agree():
    oldest, newest = setup_environment.OLDEST, setup_environment.NEWEST
    said = f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    assert PROJECT["requires-python"] == said
    assert conda()["python"][0] == said


def test_the_package_is_built_of_helpers_alone(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    (tmp_path / "tests").mkdir()
    command = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        ".",
    ]
    subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, timeout=120)
    (wheel,) = tmp_path.glob("funnel_series-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [archive.read(n).decode() for n in names if n.endswith("/METADATA")]
    files = (path for path in (ROOT / "helpers").rglob("*.*") if "__pycache__" not in path.parts)
    expected = {path.relative_to(ROOT).as_posix() for path in files}
    assert expected == {name for name in names if ".dist-info/" not in name}
    assert "Requires-Dist: torch<3,>=2.11\n" in metadata


# --- ruff, mypy and the examples ----------------------------------------------------------------


CHECKS = [["check", "--output-format=concise"], ["format", "--check"]]


@pytest.mark.parametrize("command", CHECKS, ids=lambda command: command[0])
def test_ruff_passes(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--quiet", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_mypy_passes():
    command = [sys.executable, "-m", "mypy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_in_docstrings_are_run(monkeypatch):
    called: list[list[str]] = []
    monkeypatch.setenv("FUNNEL_STATIC", "1")  # main sets it, and it must not stay
    monkeypatch.setattr(run_tests.subprocess, "call", lambda command, **_: called.append(command))
    run_tests.main([])
    run_tests.main(["helpers/nn"])
    for command in called:
        assert "--doctest-modules" in command
    assert {"notebooks", "tests", "helpers"} <= set(called[0])
    assert "tests" not in called[1]


# --- layers -------------------------------------------------------------------------------------


def modules_used(source: str) -> set[str]:
    """The modules of helpers that a file of helpers imports, from whichever depth."""
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom) and n.level]
    names = {alias.name for n in nodes if n.module is None for alias in n.names}
    return names | {n.module.split(".")[0] for n in nodes if n.module}


def test_each_module_imports_only_from_those_before_it():
    (listed,) = re.findall(r"imports only from those before it: (.*?) \|", CONTRIBUTING)
    layers = re.findall(r"`(\w+)`", listed)
    found = {path.stem for path in (ROOT / "helpers").iterdir() if path.stem[0] not in "_."}
    assert set(layers) == found
    for path in (ROOT / "helpers").rglob("*.py"):
        layer = path.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")
        if layer in layers:
            used = modules_used(path.read_text(encoding="utf-8")) & set(layers)
            assert used <= set(layers[: layers.index(layer) + 1]), path.name


# --- commands -----------------------------------------------------------------------------------


PAGES = pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "site/running.md", "data/README.md"]
)


@PAGES
def test_the_commands_that_are_named_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    code = "\n".join(code_in(text))
    assert set(re.findall(r"\bmake ([a-z]+)", code)) <= targets
    for tool in re.findall(r"\btools[\\/](\w+\.py)", code):
        assert (ROOT / "tools" / tool).is_file()


def code_in(text: str) -> list[str]:
    """Blocks and snippets of code in Markdown."""
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@PAGES
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]*)\)", text) if "://" not in link]
    folder = (ROOT / page).parent
    assert not [link for link in links if not (folder / link.split("#")[0]).is_file()]


def test_each_target_says_what_it_does():
    (phony,) = re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
    assert set(re.findall(r"^([a-z]+):.*##", MAKEFILE, re.MULTILINE)) == set(phony.split())


def test_ci_runs_what_make_test_runs():
    script = ROOT / ".ci" / "run"
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert "tools/run_tests.py" in MAKEFILE
    assert "exec make test" in script.read_text(encoding="utf-8")
    assert "make test" in workflow
    assert r"tools\run_tests.py" in workflow
    for system in ("ubuntu", "macos", "windows"):
        assert f"{system}-latest" in workflow


def test_workflows_pin_actions_by_digest_and_ask_for_few_rights():
    for path in (ROOT / ".github" / "workflows").iterdir():
        text = path.read_text(encoding="utf-8")
        actions = re.findall(r"uses: (.*)", text)
        assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v[\d.]+", one) for one in actions)
        (rights,) = re.findall(r"^permissions:\n  contents: (\w+)\n", text, re.MULTILINE)
        assert rights == "read" or path.name == "links.yml"  # which commits mended links


# --- licences -----------------------------------------------------------------------------------

COMPATIBLE = "MIT|BSD|Apache|PSF|Python Software|ISC|MPL|Mozilla|Public Domain|CC0|Zlib|BSL-1.0"


def installed(names: list[str]) -> set[str]:
    """The packages with all that they require here; NVIDIA's libraries have terms of their own."""
    found: set[str] = set()
    while names:
        name = canonicalize_name(names.pop())
        if name in found or name.startswith("nvidia"):
            continue
        try:
            needs = [Requirement(one) for one in requires(name) or []]
        except PackageNotFoundError:  # for another system or Python
            continue
        found.add(name)
        names += [one.name for one in needs if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def licences(name: str) -> list[str]:
    """The licences that hold; those of which one may be chosen are one text."""
    about = metadata(name)
    if "License-Expression" in about:
        return re.split(r"\bAND\b", about["License-Expression"])
    listed = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    return ["; ".join(listed) or about.get("License", "")]


def test_licences_of_all_dependencies_are_compatible_with_ours():
    unstated = {"axe-playwright-python": "MIT"}  # in a file of its own; not in its metadata
    names = installed(list(RANGES)) - set(unstated)
    assert len(names) > len(RANGES)
    stated = {name: licences(name) for name in names}
    strange = [one for found in stated.values() for one in found if not re.search(COMPATIBLE, one)]
    assert strange == []


# --- README -------------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 90


def test_the_table_has_each_notebook_with_its_badge():
    for path in notebooks.stored_notebooks():
        (line,) = [x for x in TABLE if f"(notebooks/{path.name})" in x]
        assert notebooks.badge(path.stem) in line, "run `make links`"


def test_minutes_are_those_of_the_session():
    from helpers.session import MINUTES, RECORDED_MACHINE

    assert RECORDED_MACHINE in README
    for name, row in MINUTES.items():
        (line,) = [x for x in TABLE if f"(notebooks/{name}.ipynb)" in x]
        core, whole = minutes.stated(notebooks.read(notebooks.NOTEBOOKS / f"{name}.ipynb"))
        assert f"| {core} / {whole} | {max(1, round(row.by_profile['class']))} min |" in line


def test_the_readme_sums_the_hours():
    both = [minutes.stated(notebooks.read(path)) for path in notebooks.stored_notebooks()]
    halves = [round(sum(column) / 30) for column in zip(*both, strict=True)]
    halves.append(round(sum(one.minutes for one in EXERCISES.values()) / 30))
    words = {3: "three", 4: "four", 6: "six", 7: "seven", 9: "nine", 10: "ten"}
    core, whole, more = (words[n // 2] + " and a half" * (n % 2) for n in halves)
    assert f"take {core} hours ({whole} with everything) and {more} more for the exe" in README


def test_every_variable_and_profile_is_explained():
    from helpers.session import PROFILES

    used = set().union(
        *(re.findall(r'environ[^"\n]*"(FUNNEL_\w+)"', code) for code in code_of("helpers"))
    )
    assert used == set(re.findall(r"`(FUNNEL_[A-Z]+)`", RUNNING))
    for profile in PROFILES:
        assert f"| `{profile}` |" in RUNNING


def test_the_version_to_cite_is_the_project_s():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {notebooks.project()['version']}\n" in cited


def test_the_address_stands_in_pyproject_alone():
    address = notebooks.address()
    for path in ("Makefile", "CITATION.cff", "CONTRIBUTING.md", "requirements.txt"):
        assert address not in (ROOT / path).read_text(encoding="utf-8")
    assert notebooks.link_table(README) == README, "run `make links`"


def test_every_test_that_the_table_of_ways_in_names_is_there():
    named = re.findall(r"`(test_\w+)`", (ROOT / "tests" / "README.md").read_text(encoding="utf-8"))
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert len(named) > 30
    assert not [name for name in named if f"def {name}(" not in sources]
