"""Code of many jobs: mixtures in which every pair of options occurs."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from functools import cache
from importlib.util import find_spec
from symtable import symtable

import pytest
from clean_code import (
    check_calls,
    check_code,
    check_comments,
    check_docstrings,
    check_format,
    check_imports,
    check_model,
    check_parameters,
    compiled_with_tests,
)
from layout_jobs import COCO, LAID_OUT, MAPS, RARE, TABLES
from mixtures import (
    FACTORS,
    OF_TIMM,
    QUICK,
    job_of,
    pairwise,
    rendered,
    rendered_job,
)
from pyflakes.checker import Checker

from specc import resources
from specc.build import Compiled, analyze, compile_job
from specc.emit.imports import KNOWN
from specc.emit.parts import Part
from specc.emit.render import MODULES, environment, shelves_for
from specc.plan.extras import CONTRACT, RUNTIME, Extras
from specc.plan.page import plan

# Of the mixtures, of the datasets of other tools, and of the mixtures with a model of timm
# those that emit every part and every template; the others are soak. A part that none of
# them emits is named by a test below: add a mixture that has it.
SOME = (
    *(1, 4, 5, 6, 9, 12, 13, 17, 19, 21, 22, 24, 27, 47, 48, 49, 52, 57, 59, 61, 67),
    *(68, 69, 71, 72, 74, 77, 78),
)
SOME_LAID_OUT = (
    *(0, 1, 2, 3, 4, 6, 10, 14, 15, 16, 17, 21, 23, 25, 28, 32, 33, 35, 36, 38, 39),
    *(40, 41),
)
SOME_OF_TIMM = (1, 2)
FEW = (1,)  # not slow
OTHER_TOOLS = [*(LAID_OUT | TABLES | COCO | MAPS).values(), *RARE]

TEMPLATES = [x for x in resources.names("templates") if x.endswith(".jinja")]


# ---- The mixtures ----


needs_timm = pytest.mark.skipif(
    find_spec("timm") is None, reason="timm is not installed: pip install timm"
)


def all_of(jobs: list[dict]) -> tuple[list[Compiled], set[str]]:
    """Returns the compiled jobs, and the templates that they use."""
    environment.cache_clear()
    made = [rendered_job(job) for job in jobs]
    return made, {name for _, name in environment().cache.keys()}


@pytest.fixture(scope="module")
def mixtures() -> tuple[list[Compiled], set[str]]:
    return all_of([job_of(QUICK[number]) for number in SOME])


@pytest.fixture(scope="module")
def laid_out() -> tuple[list[Compiled], set[str]]:
    """Jobs of datasets that other tools wrote, and of rare options."""
    return all_of([OTHER_TOOLS[number] for number in SOME_LAID_OUT])


@pytest.fixture(scope="module")
def of_timm() -> tuple[list[Compiled], set[str]]:
    return all_of([job_of(OF_TIMM[number]) for number in SOME_OF_TIMM])


def check_mixture(compiled: Compiled) -> None:
    check_comments(compiled)
    check_docstrings(compiled)
    check_imports(compiled)
    check_calls(compiled)
    check_parameters(compiled)
    check_code(compiled)


def some_of(count: int, every: int) -> list:
    """The numbers below `count`, of which one in `every` is no soak."""
    return [
        pytest.param(number, marks=pytest.mark.soak if number % every else ())
        for number in range(count)
    ]


@pytest.mark.parametrize("number", FEW)
def test_some_mixtures_of_options_give_clean_code(number):
    check_mixture(rendered(QUICK[number]))


@pytest.mark.slow
@pytest.mark.parametrize("place", [i for i, x in enumerate(SOME) if x not in FEW])
def test_any_mixture_of_options_gives_clean_code(mixtures, place):
    check_mixture(mixtures[0][place])


@pytest.mark.slow
@pytest.mark.parametrize("place", some_of(len(SOME), every=3))
def test_the_model_of_a_mixture_is_that_of_its_graph(mixtures, place, tmp_path, capsys):
    check_model(mixtures[0][place], tmp_path, capsys)


@pytest.mark.soak
@pytest.mark.parametrize("number", sorted({*range(len(QUICK))} - {*SOME}))
def test_other_mixtures_of_options_give_clean_code(number, tmp_path, capsys):
    compiled = rendered(QUICK[number])
    check_mixture(compiled)
    check_model(compiled, tmp_path, capsys)


@pytest.mark.slow
def test_long_names_and_paths_leave_comments_whole():
    job = job_of(QUICK[0])
    job["data"] |= {"train": "t" * 60, "validation": "v" * 60, "group": None}
    for head in job["model"]["heads"]:
        head["name"] = f"{head['name']}-{'x' * 50}"
    check_comments(rendered_job(job))


@pytest.mark.soak
@pytest.mark.parametrize("number", range(3))
def test_any_mixture_of_options_is_well_formatted(number):
    check_format(compiled_with_tests(QUICK[number]))


def test_the_mixtures_hold_every_value():
    for key, values in FACTORS.items():
        for value in values:
            assert value in [choice[key] for choice in QUICK], f"{key}: {value}"


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_mixtures_give_clean_code(seed, tmp_path, capsys):
    for choice in pairwise(candidates=60, limit=60, seed=seed):
        check_comments(rendered_job(job_of(choice)))
        compiled = compiled_with_tests(choice)
        check_code(compiled)
        check_model(compiled, tmp_path, capsys)
        check_format(compiled)


@needs_timm
@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(SOME_OF_TIMM)))
def test_mixtures_with_a_model_of_timm_give_clean_code(
    of_timm, place, tmp_path, capsys
):
    check_mixture(of_timm[0][place])
    check_model(of_timm[0][place], tmp_path, capsys)


@needs_timm
@pytest.mark.soak
@pytest.mark.parametrize("number", sorted({*range(len(OF_TIMM))} - {*SOME_OF_TIMM}))
def test_other_mixtures_with_a_model_of_timm_give_clean_code(number, tmp_path, capsys):
    compiled = rendered(OF_TIMM[number])
    check_mixture(compiled)
    check_model(compiled, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(SOME_LAID_OUT)))
def test_datasets_of_other_tools_give_clean_code(laid_out, place):
    check_layout(laid_out[0][place])


@pytest.mark.slow
@pytest.mark.parametrize("place", some_of(len(SOME_LAID_OUT), every=9))
def test_models_beside_other_datasets_are_those_of_graphs(
    laid_out, place, tmp_path, capsys
):
    check_model(laid_out[0][place], tmp_path, capsys)


@pytest.mark.soak
@pytest.mark.parametrize(
    "number", sorted({*range(len(OTHER_TOOLS))} - {*SOME_LAID_OUT})
)
def test_other_datasets_of_other_tools_give_clean_code(number, tmp_path, capsys):
    compiled = rendered_job(OTHER_TOOLS[number])
    check_layout(compiled)
    check_model(compiled, tmp_path, capsys)


def check_layout(compiled: Compiled) -> None:
    check_comments(compiled)
    check_docstrings(compiled)
    check_code(compiled)


@needs_timm
@pytest.mark.soak
@pytest.mark.parametrize("number", range(2))
def test_mixtures_with_a_model_of_timm_are_well_formatted(number):
    check_format(compile_job(json.dumps(job_of(OF_TIMM[number])).encode()))


@needs_timm
@pytest.mark.slow
def test_every_template_is_used_by_some_job(mixtures, laid_out, of_timm):
    of_packages = {"__init__.py.jinja"}  # see tests/scripts/test_package.py
    used = mixtures[1] | laid_out[1] | of_timm[1]
    assert set(TEMPLATES) - used == of_packages


# ---- The parts of heads ----


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    """All that there are, as one job has them."""
    job, graph, _ = analyze(json.dumps(job_of(QUICK[0])).encode())
    context = plan(job, graph, Extras(tests=True)).context()
    shelves = shelves_for((*MODULES, RUNTIME, CONTRACT), context)
    return [part for shelf in shelves for part in shelf.parts]


@pytest.fixture(scope="module")
def defined_names(mixtures, laid_out) -> dict[str, set[str]]:
    """The names that emitted modules define, by module."""
    return names_in([*mixtures[0], *laid_out[0]])


@needs_timm
@pytest.mark.slow
def test_every_part_is_emitted_by_some_job(defined_names, of_timm, parts):
    emitted = names_in(of_timm[0])
    for module, names in defined_names.items():
        emitted[module] |= names
    unused = [x.place for x in parts if not emitted[x.module].issuperset(x.defines)]
    assert unused == []


@pytest.mark.slow
def test_a_part_uses_names_that_something_defines(defined_names, parts):
    """Libraries, parts, pages and the constants of jobs."""
    known = KNOWN.union(*defined_names.values())
    unknown = [f"{x.place}: {name}" for x in parts for name in x.uses - known]
    assert unknown == []


@pytest.mark.slow
def test_parts_are_clean_code(defined_names):
    """With the names of libraries, parts, pages and constants counted as known."""
    known = KNOWN.union(*defined_names.values())
    found = []
    for file in resources.names("templates/heads"):
        if file.endswith(".py"):
            tree = ast.parse(resources.read_text(f"templates/heads/{file}"))
            messages = Checker(tree, filename=file, builtins=known).messages
            found += map(str, messages)
    assert found == []


def names_in(made: list[Compiled]) -> dict[str, set[str]]:
    """Returns the names that emitted modules define, by module."""
    found = defaultdict(set)
    for compiled in made:
        for path, text in compiled.files.items():
            if path.endswith(".py"):
                found[path].update(names_of(text))
    return found


@cache
def names_of(text: str) -> set[str]:
    symbols = symtable(text, "module", "exec").get_symbols()
    return {x.get_name() for x in symbols if x.is_assigned() and not x.is_imported()}
