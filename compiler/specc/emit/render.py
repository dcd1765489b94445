"""Renders the plan: fills templates in, then adds the parts and imports that they
use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache, partial

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateSyntaxError,
    UndefinedError,
)

from specc.emit.columns import label_columns
from specc.emit.imports import with_imports
from specc.emit.parts import Shelf, fail, module_of, refuse_tags, with_parts
from specc.heads import TASK_NAMES
from specc.plan.contract import ContractPlan
from specc.plan.extras import CONTRACT, INIT, RUNTIME
from specc.plan.page import Plan
from specc.resources import names, read_text, template_folder
from specc.source import literal

CODE = (
    *("model.py", "cache.py", "dataset.py", "samples.py", "data.py"),
    *("evaluate.py", "draw.py", "checkpoints.py", "safety.py", "train.py"),
    *("predict.py", "export.py"),
)
MODULES = (  # modules that have parts
    *("model.py", "dataset.py", "samples.py", "data.py"),
    *("evaluate.py", "draw.py"),
)
TEXTS = ("README.md", "requirements.txt")


def render(plan: Plan) -> dict[str, str]:
    """Returns path -> text. Modules are in an order in which each imports only earlier
    ones.

    Raises PartError, UnknownName, TakenName, which are faults of specc.
    """
    context = plan.context()
    shelves = shelves_for(MODULES, context)
    context["label_columns"] = label_columns(
        plan.heads, context["label_types"], shelves, "at" if context["partial"] else "i"
    )
    pages = {
        path: _filled(path, context, constants=plan.constants.get(path, ()))
        for path in CODE
        if context["emitted"].get(path, True)
    }
    code: dict[str, str] = {}
    for path, text in with_parts(pages, shelves).items():
        code[path] = with_imports(path, text, code, "." if plan.package else "")
    if plan.contract:
        page = {CONTRACT: _filled(CONTRACT, context)}
        text = with_parts(page, shelves_for((CONTRACT,), context))[CONTRACT]
        code[CONTRACT] = with_imports(CONTRACT, text, {})  # scripts run apart from it
    if context["emitted"][RUNTIME]:  # runs apart from the others
        constants = plan.constants.get(RUNTIME, ())
        page = {RUNTIME: _filled(RUNTIME, context, constants=constants)}
        text = with_parts(page, shelves_for((RUNTIME,), context))[RUNTIME]
        code[RUNTIME] = with_imports(RUNTIME, text, {})
    texts = {
        path: _filled(path, context) for path in (*TEXTS, *context["further_texts"])
    }
    resolved = json.dumps(plan.resolved, indent=2, ensure_ascii=False)
    files = code | texts | {"resolved.json": f"{resolved}\n"} | _name_files(plan)
    if plan.package:
        files[INIT] = _filled(INIT, context)
    return files | ({"state_dict.json": _state(plan.contract)} if plan.contract else {})


def _filled(path: str, context: dict, **more: object) -> str:
    """Returns a page, or a file of parts, filled in with the plan's values."""
    return environment().get_template(f"{path}.jinja").render(context, **more)


def shelves_for(modules: Sequence[str], context: dict) -> list[Shelf]:
    """Returns the files of parts for these modules, in the order in which their parts
    are emitted."""
    return [
        Shelf(file, source, partial(_part, file, source, context))
        for file, source in _files()
        if module_of(file) in modules
    ]


def _part(file: str, source: str, context: dict) -> str:
    """Returns the text of a file of parts. Raises PartError."""
    if not file.endswith(".jinja"):
        return source
    try:
        return _filled(file.removesuffix(".jinja"), context)
    except TemplateSyntaxError as error:
        fail(file, error.lineno, f"is no template: {error.message}")
    except UndefinedError as error:
        fail(file, 1, f"asks for what the plan lacks: {error.message}")


@lru_cache
def _files() -> tuple[tuple[str, str], ...]:
    """Returns the files of parts below templates/ with their texts: heads in the order
    of the registry, then common/."""
    found = []
    for home in (*TASK_NAMES, "common", "tables", "names", "files"):
        for name in names(f"templates/heads/{home}"):
            file = f"heads/{home}/{name}"
            text = read_text(f"templates/{file}")
            if not name.endswith(".jinja"):
                refuse_tags(file, text)
            found.append((file, text))
    return tuple(found)


def _state(contract: ContractPlan) -> str:
    """Returns the keys of the state dict and their shapes, a line each."""
    lines = (f"{json.dumps(key)}: {json.dumps(shape)}" for key, shape in contract.state)
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _name_files(plan: Plan) -> dict[str, str]:
    """Returns the JSON files of names and colors that are too many for the code."""
    others = dict(pair for head in plan.heads for pair in head.code.files)
    lines = {
        name: "[\n" + ",\n".join(map(json.dumps, value)) + "\n]\n"
        for name, value in others.items()
    }
    return lines | {
        head.names_file: json.dumps(head.names, indent=0, ensure_ascii=False) + "\n"
        for head in plan.heads
        if head.names_in_file
    }


@lru_cache
def environment() -> Environment:
    """Returns Jinja's environment: tags leave no lines behind, and a variable that the
    plan lacks is an error."""
    made = Environment(
        loader=FileSystemLoader(template_folder()),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
        cache_size=-1,  # keep all templates
    )
    made.filters["py"] = literal
    return made
