"""The notebooks as they are stored: in order, from their own source, on real data, readable."""

from __future__ import annotations

import ast
import re

import pytest

from tools import minutes, notebooks

STORED = notebooks.stored_notebooks()
PATH = re.compile(
    r"(?<![\w.~:/-])/(?:home|Users|root|tmp|work|var|opt|usr|mnt|content|private)/\w|\b[A-Z]:\\\\?\w"
)

# Numbers that only profiles may hold, as the name of a variable or of an argument. Cells marked
# NBVAL_CHECK_OUTPUT are free: by their mark, what they show depends on no profile.
OF_A_PROFILE = re.compile(
    r"(.*_)?(epochs?|batch|batch_size|images|samples|seeds?|steps|lr|learning_rate)"
)
# These are sizes of networks and pictures when whole, of bars and letters when not.
WHOLE_ONLY = ("size", "width", "height")
SEEDING = ("manual_seed", "default_rng", "RandomState", "seed")

MEASURED = re.compile(r"[-+]?\d+\.\d+ ?(?:%|points?)")
OF_THE_DATA = "99.85 %"  # of the images are CIFAR-10's bit for bit: a fact about the copy at hand

pytestmark = pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)


def code_cells(path):
    """The cells that hold code, in order."""
    return [c for c in notebooks.read(path).cells if c.cell_type == "code" and c.source.strip()]


def outputs(path):
    """Every output, in order."""
    return [output for cell in code_cells(path) for output in cell.outputs]


def literal(node):
    """The number that stands there, or the first of several; None where something is computed."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    value = value[0] if isinstance(value, (tuple, list)) and value else value
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def named_values(tree):
    """Every name with the expression it gets: assignments, arguments, defaults."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((t.id, node.value) for t in targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            defaults = [*node.defaults, *node.kw_defaults]
            names = [*positional[len(positional) - len(node.defaults) :], *node.kwonlyargs]
            pairs = zip(names, defaults, strict=True)
            yield from ((name.arg, default) for name, default in pairs if default is not None)


def own_numbers(source):
    """The numbers of a profile that this code writes down itself."""
    tree = ast.parse("\n".join(x for x in source.split("\n") if not x.startswith(("%", "!"))))
    for name, expression in named_values(tree):
        value = literal(expression)
        of_profile = OF_A_PROFILE.fullmatch(name.lower()) and value is not None
        if of_profile or (name.lower() in WHOLE_ONLY and isinstance(value, int)):
            yield f"{name} = {value}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in SEEDING and literal(node.args[0]) is not None:
                yield ast.unparse(node)
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            ranged = isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "range"
            if OF_A_PROFILE.fullmatch(node.target.id) and ranged and literal(node.iter.args[-1]):
                yield ast.unparse(node.iter)


def test_executed_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_come_from_this_source_in_the_class_profile(path):
    notebook = notebooks.read(path)
    assert not notebooks.is_stale(notebook), "run `make notebooks`"
    assert notebook.metadata["funnel"]["profile"] == "class"


def test_outputs_come_from_real_data(path):
    notebook = notebooks.read(path)
    data = notebook.metadata["funnel"]["data"]
    assert "stand-in data" not in data
    loads = any(
        "load_cifar10(" in c.source or "load_stanford(" in c.source for c in code_cells(path)
    )
    assert bool(data) == loads


def test_no_errors(path):
    assert not [o.evalue for o in outputs(path) if o.output_type == "error"]


def test_no_widget_state(path):
    assert "widgets" not in notebooks.read(path).metadata
    assert not [o for o in outputs(path) if notebooks.WIDGET_VIEW in o.get("data", {})]


def test_no_path_of_a_machine(path):
    texts = [cell.source for cell in notebooks.read(path).cells]
    for output in outputs(path):
        texts += [output.get("text", "")]
        kinds = output.get("data", {}).items()
        texts += [re.sub('base64,[^"]+', "", v) for k, v in kinds if k.startswith("text/")]
    assert not [text for text in texts if PATH.search(text)]


def test_every_figure_has_alternative_text(path):
    for output in outputs(path):
        assert not [kind for kind in output.get("data", {}) if kind.startswith("image/")]
        if notebooks.is_figure(output):
            picture, words = notebooks.picture_and_words(output)
            assert picture.startswith(b"\x89PNG")
            assert len(words.split()) >= 3, f"alternative text {words!r}"


def test_no_numbers_that_belong_to_a_profile(path):
    sources = [cell.source for cell in code_cells(path) if not notebooks.is_bootstrap(cell)]
    free = "# NBVAL_CHECK_OUTPUT"
    assert not [n for source in sources if not source.startswith(free) for n in own_numbers(source)]


def test_what_the_records_say_is_compared_by_nbval(path):
    words = ('records("', "recorded_maps(", "recorded_lenet(")
    cells = [cell.source for cell in code_cells(path)]
    reading = [source for source in cells if any(word in source for word in words)]
    assert not [source for source in reading if not source.startswith("# NBVAL_CHECK_OUTPUT")]


def test_no_measured_number_is_typed_into_the_text(path):
    texts = [c.source for c in notebooks.read(path).cells if c.cell_type == "markdown"]
    typed = {number for text in texts for number in MEASURED.findall(text)}
    assert typed <= {OF_THE_DATA}


def test_small_enough_to_open(path):
    assert path.stat().st_size <= 700_000


def test_bootstrap_and_badge_are_what_make_links_writes(path):
    first = code_cells(path)[0]
    assert notebooks.is_bootstrap(first)
    assert first.source == notebooks.bootstrap_source(path.stem), "run `make links`"
    assert first.metadata["jupyter"]["source_hidden"]
    assert notebooks.badge(path.stem) in notebooks.read(path).cells[0].source, "run `make links`"


def test_the_head_states_the_minutes_that_the_rule_gives(path):
    notebook = notebooks.read(path)
    assert minutes.stated(notebook) == pytest.approx(minutes.minutes(notebook), abs=3)
    assert minutes.stated(notebook)[0] < minutes.stated(notebook)[1]


def test_every_section_is_core_or_further(path):
    texts = [c.source for c in notebooks.read(path).cells if c.cell_type == "markdown"]
    headings = [h for text in texts for h in re.findall(r"^## .*", text, re.M)]
    marked = [h for h in headings if h.endswith(("· *core*", "· *further*"))]
    assert set(headings) - set(marked) <= {"## References"}
