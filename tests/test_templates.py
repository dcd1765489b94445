"""The templates: what they may hold, and what they make of many jobs."""

from __future__ import annotations

import ast
import io
import itertools
import json
import random
import re
import tokenize
from pathlib import Path

import black
import pytest
from jinja2 import nodes
from pyflakes.api import check as pyflakes
from pyflakes.reporter import Reporter

from specc import probe, resources, verify
from specc.build import Compiled, analyse, compile_job
from specc.cost import summarize
from specc.diagnostics import JobError
from specc.format import MODE
from specc.plan import plan
from specc.render import environment, render

TEMPLATES = resources.names("templates")
CODE = [name for name in TEMPLATES if name.endswith(".py.jinja")]
TAGS = {"include", "for", "if", "elif", "else", "endfor", "endif"}
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Include,
    nodes.Name,
    nodes.Getattr,
    nodes.Not,
    nodes.Filter,
)
CONTROL_SHARE, SHORT = 0.15, 20  # lines; shorter templates may be all control
CONTROL_HEAVY = {}  # template: the reason why its share may be higher


def source(name: str) -> str:
    return resources.read_text(f"templates/{name}")


# ---- Hygiene ----


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_only_includes_loops_and_tests(name):
    text = source(name)
    assert set(re.findall(r"{%-?\s*(\w+)", text)) <= TAGS
    assert not re.search(
        r"{[%{#]-|-[%}#]}", text
    ), "space control hides the indentation"
    tree = environment().parse(text)
    included = [node.template for node in tree.find_all(nodes.Include)]
    for node in tree.find_all(nodes.Node):
        if node not in included:
            kind = type(node).__name__
            assert isinstance(node, ALLOWED), f"line {node.lineno}: {kind}"
    for node in included:
        assert isinstance(node, (nodes.Const, nodes.Name, nodes.Getattr))
    assert {node.name for node in tree.find_all(nodes.Filter)} <= {"py"}
    for node in tree.find_all(nodes.Not):
        assert isinstance(node.node, (nodes.Name, nodes.Getattr))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_mostly_text(name):
    lines = source(name).splitlines()
    controls = [line for line in lines if re.match(r"\s*{% (?!include)", line)]
    allowed = CONTROL_SHARE * len(lines)
    if len(lines) > SHORT and name not in CONTROL_HEAVY:
        assert len(controls) <= allowed, f"{len(controls)} of {len(lines)} lines"


def test_the_exceptions_are_needed():
    for name in CONTROL_HEAVY:
        lines = source(name).splitlines()
        controls = [line for line in lines if re.match(r"\s*{% (?!include)", line)]
        assert len(controls) > CONTROL_SHARE * len(lines)


@pytest.mark.parametrize("name", CODE)
def test_no_value_stands_inside_quotes(name):
    """Docstrings apart: in them stand only texts that specc chose."""
    text = re.sub(r"^\s*{%.*?%}\n", "", source(name), flags=re.M)
    text = re.sub(r"{#.*?#}", "", text, flags=re.S)
    text = re.sub(r"{{.*?}}", "JINJA", text, flags=re.S)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        # Python 3.12 has tokens for the parts of an f-string.
        if "STRING" in tokenize.tok_name[token.type] and "JINJA" in token.string:
            assert token.string.startswith('"""'), token.line
        assert "FSTRING" not in tokenize.tok_name[token.type] or (
            "JINJA" not in token.string
        ), token.line


# ---- Jobs: every pair of two options' values occurs ----

HEADS = {
    "classifier": ["kind"],
    "detector": ["cells"],
    "detector, classifier": ["cells", "kind"],
    "two classifiers": ["kind", "other-kind"],
    "two detectors": ["cells", "other-cells"],
}
FORMATS = {
    "native": set(HEADS),
    "folders": {"classifier", "two classifiers"},
    "coco": {"detector", "two detectors"},
}
ALL_CHANGES = {"vertical_flip": True, "transpose": True}
FACTORS = {
    "backbone": ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
    "top_level": [3, 4, 5, 6, 7],
    "neck": [None, (3, 3), (3, 5), (2, 4), (3, 7), (4, 6)],
    "heads": list(HEADS),
    "format": list(FORMATS),
    "augmentation": [
        {},
        False,
        ALL_CHANGES,
        {"transpose": True, "horizontal_flip": False, "color": 0, "scale": 0},
        {"horizontal_flip": False, "color": 0.5, "scale": 0},
        {"horizontal_flip": False, "color": 0, "scale": 0.5},
    ],
    "optimizer": [
        {"kind": "adamw"},
        {"kind": "adamw", "weight_decay": 0},
        {"kind": "sgd"},
        {"kind": "sgd", "momentum": 0, "weight_decay": 1e-5},
    ],
    "scheduler": [{"kind": "one_cycle"}, {"kind": "multi_step"}, {"kind": "none"}],
    "initialization": [
        {"kind": "random"},
        {"kind": "imagenet"},
        {"kind": "imagenet", "weights": "weights.bin"},
        {"kind": "checkpoint", "weights": "best.pt"},
    ],
    "resize_input": [True, False],
    "channels": [3, 1],
    "precision": ["bf16", "fp32"],
    "channels_last": [True, False],
    "gradient_clipping": [None, 10.0],
    "limits": [(100, None), (100, 0.5), (None, 0.5)],
    "validation": ["data/val", None],
    "loss_weight": [1, 0.25],
    "categories": [1, 3, 101],
}


def is_valid(choice: dict) -> bool:
    neck, top = choice["neck"], choice["top_level"]
    return choice["heads"] in FORMATS[choice["format"]] and (
        neck is None or neck[0] <= top
    )


def job_of(choice: dict) -> dict:
    """The job of one value for every factor."""
    neck, top = choice["neck"], choice["top_level"]
    levels = neck or (top, top)
    heads = []
    for name in HEADS[choice["heads"]]:
        head = {"name": name, "loss_weight": choice["loss_weight"]}
        if choice["format"] == "native" or name == "kind":
            head["categories"] = [f"{name} {i}" for i in range(choice["categories"])]
        else:  # one set of names for all heads
            head["categories"] = [f"kind {i}" for i in range(choice["categories"])]
        if "cells" in name:
            head |= {"task": "object_detection"}
            head |= {"bottom_level": levels[0], "top_level": levels[1]}
        else:
            head |= {"task": "multiclass_classification", "level": levels[1]}
        heads.append(head)
    kinds = ("optimizer", "scheduler", "initialization", "precision")
    trainer = {key: choice[key] for key in (*kinds, "channels_last")}
    trainer["gradient_clipping"] = choice["gradient_clipping"]
    trainer["max_iterations"], trainer["max_hours"] = choice["limits"]
    backbone = {"name": choice["backbone"], "top_level": top}
    backbone["resize_input"] = choice["resize_input"]
    fpn = {"kind": "fpn", "bottom_level": levels[0], "top_level": levels[1]}
    return {
        "name": "many-jobs",
        "data": {
            "train": "data/train",
            "resolution": [128, 256],
            **{key: choice[key] for key in ("format", "augmentation", "channels")},
            "validation": choice["validation"],
        },
        "model": {
            "backbone": backbone,
            "neck": fpn | {"channels": 40} if neck else {"kind": "none"},
            "heads": heads,
        },
        "trainer": trainer,
    }


def pairs_of(choice: dict[str, int]) -> set[tuple]:
    return set(itertools.combinations(sorted(choice.items()), 2))


def pairwise(candidates: int, limit: int, seed: int) -> list[dict]:
    """Choices, each of those drawn that holds the most pairs of values not yet seen."""
    rng = random.Random(seed)
    seen, chosen = set(), []

    def draw() -> dict[str, int]:
        while True:
            drawn = {key: rng.randrange(len(FACTORS[key])) for key in FACTORS}
            if is_valid({key: FACTORS[key][i] for key, i in drawn.items()}):
                return drawn

    for _ in range(limit):
        drawn = [draw() for _ in range(candidates)]
        best = max(drawn, key=lambda choice: len(pairs_of(choice) - seen))
        seen |= pairs_of(best)
        chosen.append({key: FACTORS[key][i] for key, i in best.items()})
    return chosen


def write(compiled: Compiled, folder: Path) -> Path:
    for name, text in compiled.files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def rendered(choice: dict) -> Compiled:
    """As compile_job, but without black, which takes most of its time."""
    job, graph, findings = analyse(json.dumps(job_of(choice)).encode())
    assert not [finding for finding in findings if finding.is_error]
    page = plan(job, graph)
    files = render(page)
    return Compiled(job, files, (), summarize(job, graph), page.model_class)


def check_code(compiled: Compiled, folder: Path, capsys) -> None:
    """The code must be clean, and the model be the graph's."""
    said = io.StringIO()
    for name, text in compiled.files.items():
        if name.endswith(".py"):
            pyflakes(text, name, Reporter(said, said))
    assert said.getvalue() == ""
    size = map(int, (*compiled.job.data.resolution, compiled.job.data.channels))
    model = str(write(compiled, folder) / "model.py")
    probe.main(model, compiled.model_class, *size)
    found = json.loads(capsys.readouterr().out)
    assert verify.compare(compiled.summary, found) == []


def check_format(compiled: Compiled) -> None:
    for name, text in compiled.files.items():
        if name.endswith(".py"):
            assert black.format_str(text, mode=MODE) == text, name
            for line in text.splitlines():
                assert len(line) <= 88 or is_one_string(line), f"{name}: {line}"


def is_one_string(line: str) -> bool:
    """A category or a path cannot be broken over two lines."""
    return bool(re.fullmatch(r"""(\w+ = )?(["']).*\2,?(  # .*)?""", line.strip()))


QUICK = pairwise(candidates=60, limit=25, seed=0)


@pytest.mark.parametrize("number", range(len(QUICK)))
def test_any_mixture_of_options_gives_clean_code(number, tmp_path, capsys):
    check_code(rendered(QUICK[number]), tmp_path, capsys)


@pytest.mark.parametrize("number", range(3))
def test_any_mixture_of_options_is_well_formatted(number):
    check_format(compile_job(json.dumps(job_of(QUICK[number])).encode()))


def test_the_mixtures_hold_every_value():
    for key, values in FACTORS.items():
        for value in values:
            assert value in [choice[key] for choice in QUICK], f"{key}: {value}"


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_mixtures_give_clean_code(seed, tmp_path, capsys):
    for choice in pairwise(candidates=60, limit=60, seed=seed):
        compiled = compile_job(json.dumps(job_of(choice)).encode())
        check_code(compiled, tmp_path, capsys)
        check_format(compiled)


def test_every_template_is_used_by_some_job():
    environment.cache_clear()
    for choice in QUICK:
        rendered(choice)
    used = {name for _, name in environment().cache.keys()}
    assert set(TEMPLATES) - used == set()


# ---- Strings of the job are data, wherever they stand ----

MARK = "zq"  # in every hostile string, and in nothing that specc writes
HOSTILE = (
    'zq"; import os #',
    "zq'; import os #",
    '"""zq',
    "'''zq",
    "zq{{ 7*7 }}",
    "{% if zq %}",
    "{#zq#}",
    "{zq}",
    "zq%s%(name)s",
    "zq\\",
    "\\nzq\\",
    "\\N{BULLET}zq",
    '"zq',
    "'zq",
    "#zq",
    "  zq  ",
    "zq\u202e\u2066\u200b",
    "zq\u2028\u2029",
    "zqÄ漢🦓",
    "e\u0301zq",
    "</script>zq`|*_",
    "zq" + "x" * 198,
)
HOSTILE_PATHS = {
    "train": 'it\'s "zq"/{{ 7*7 }}\\train',
    "validation": "\"\"\"zq'''/#val",
}


def hostile_job(categories: tuple[str, ...]) -> dict:
    """Detection and classification of these categories: two heads, native format."""
    task = {"categories": list(categories)}
    heads = [
        task | {"name": "cells", "task": "object_detection"},
        task | {"name": "kind", "task": "multiclass_classification"},
    ]
    start = {"kind": "checkpoint", "weights": "zq\"'\\{{ 1 }}.pt"}
    return {
        "name": "hostile",
        "data": HOSTILE_PATHS | {"resolution": [128, 128]},
        "model": {"heads": heads},
        "trainer": {"initialization": start},
    }


@pytest.fixture(scope="module")
def hostile() -> Compiled:
    return compile_job(json.dumps(hostile_job(HOSTILE)).encode())


def docstrings(tree: ast.Module) -> list[ast.Constant]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, owners) and ast.get_docstring(node) is not None
    ]


def test_strings_of_the_job_are_string_constants_alone(hostile):
    given = {*HOSTILE, *HOSTILE_PATHS.values(), "zq\"'\\{{ 1 }}.pt"}
    found = set()
    for name, text in hostile.files.items():
        if not name.endswith(".py"):
            assert MARK not in text, name
            continue
        tree = ast.parse(text)
        hidden = docstrings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and MARK in str(node.value):
                assert node not in hidden and node.value in given, (name, node.value)
                found.add(node.value)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        outside = [t.string for t in tokens if t.type != tokenize.STRING]
        assert not [string for string in outside if MARK in string], name
    assert found == given


def test_strings_of_the_job_come_out_as_they_went_in(hostile, tmp_path):
    values = {}
    for name, text in hostile.files.items():
        if name.endswith(".py"):
            tree = ast.parse(text)
            values |= dict(constants(tree))
    assert values["CELLS_CATEGORIES"] == values["KIND_CATEGORIES"] == HOSTILE
    assert values["TRAIN"] == HOSTILE_PATHS["train"]
    assert values["VALIDATION"] == HOSTILE_PATHS["validation"]
    # And once more by running the module, as its users do.
    path = str(write(hostile, tmp_path) / "model.py")
    model_class = probe.load_class(path, hostile.model_class)
    module = model_class.__init__.__globals__
    assert module["CELLS_CATEGORIES"] == HOSTILE


def constants(tree: ast.Module):
    """Names and values of the module's assignments of literals."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            values = value if isinstance(target, ast.Tuple) else [value]
            yield from zip((name.id for name in names), values)


@pytest.mark.parametrize("text", ["a\nb", '\n"""', "\0", "a\x1b[0m", "\x85", "\ud800"])
def test_what_cannot_be_written_is_refused(text):
    with pytest.raises(JobError):
        compile_job(json.dumps(hostile_job((text,))).encode())


def test_many_categories_stand_in_a_file_of_their_own(tmp_path):
    categories = (*HOSTILE, *(f"kind {i}" for i in range(10_000 - len(HOSTILE))))
    head = {"task": "multiclass_classification", "categories": categories}
    job = hostile_job(HOSTILE) | {"model": {"heads": [head]}}
    compiled = compile_job(json.dumps(job).encode())
    for name, text in compiled.files.items():
        assert name == "categories.json" or "kind 77" not in text
    assert tuple(json.loads(compiled.files["categories.json"])) == categories
    path = str(write(compiled, tmp_path) / "model.py")
    model_class = probe.load_class(path, compiled.model_class)
    assert model_class.__init__.__globals__["CATEGORIES"] == categories
