"""The plan to text: templates filled in, and the imports that the text turned out to need."""

from __future__ import annotations

import json
from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from specc.emit.imports import with_imports
from specc.folder.record import CONTRACT
from specc.plan.contract import ContractPlan
from specc.plan.page import Plan
from specc.resources import template_folder
from specc.source import literal

CODE = (
    *("model.py", "cache.py", "dataset.py", "data.py", "evaluate.py"),
    *("draw.py", "checkpoints.py", "train.py", "predict.py"),
)
TEXTS = ("README.md", "requirements.txt")


def render(plan: Plan) -> dict[str, str]:
    """Text by path. Modules come in an order in which each imports only earlier ones."""
    context = plan.context()
    code: dict[str, str] = {}
    for path in CODE:
        if path == "cache.py" and not context["caches"]:
            continue
        constants = plan.constants.get(path, ())
        template = environment().get_template(f"{path}.jinja")
        text = template.render(context, constants=constants)
        code[path] = with_imports(path, text, code)
    if plan.contract:
        text = environment().get_template(f"{CONTRACT}.jinja").render(context)
        code[CONTRACT] = with_imports(CONTRACT, text, {})  # the scripts run apart
    texts = {
        path: environment().get_template(f"{path}.jinja").render(context)
        for path in (*TEXTS, *context["further_texts"])
    }
    resolved = json.dumps(plan.resolved, indent=2, ensure_ascii=False)
    files = code | texts | {"resolved.json": f"{resolved}\n"} | _name_files(plan)
    return files | ({"state_dict.json": _state(plan.contract)} if plan.contract else {})


def _state(contract: ContractPlan) -> str:
    """The keys of the state dict and their shapes, a line each."""
    lines = (f"{json.dumps(key)}: {json.dumps(shape)}" for key, shape in contract.state)
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _name_files(plan: Plan) -> dict[str, str]:
    """Names and colors that are too many to stand in the code."""
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
    """Tags leave no lines behind; a variable that the plan lacks is an error."""
    made = Environment(
        loader=FileSystemLoader(template_folder()),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
        cache_size=-1,  # of templates, as many as there are
    )
    made.filters["py"] = literal
    return made
