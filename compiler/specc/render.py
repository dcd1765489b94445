"""The plan to text: templates filled in, and the imports that the text turned out to need."""

from __future__ import annotations

import json
from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from specc.imports import with_imports
from specc.plan import Plan
from specc.plan_source import literal
from specc.resources import template_folder

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
    texts = {
        path: environment().get_template(f"{path}.jinja").render(context)
        for path in (*TEXTS, *context["further_texts"])
    }
    resolved = json.dumps(plan.resolved, indent=2, ensure_ascii=False)
    return code | texts | {"resolved.json": f"{resolved}\n"} | _name_files(plan)


def _name_files(plan: Plan) -> dict[str, str]:
    return {
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
    )
    made.filters["py"] = literal
    return made
