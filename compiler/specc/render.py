"""The plan to text: templates filled in, and the imports that the text turned out to need."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
)

from specc.imports import with_imports
from specc.plan import Plan
from specc.resources import template_folder

CODE = ("model.py", "data.py", "evaluate.py", "draw.py", "train.py", "predict.py")
TEXTS = ("README.md", "requirements.txt")


def render(plan: Plan) -> dict[str, str]:
    """Text by path. Modules come in an order in which each imports only earlier ones."""
    context = plan.context()
    code: dict[str, str] = {}
    for path in CODE:
        text = environment().get_template(f"{path}.jinja").render(context)
        code[path] = with_imports(path, text, code)
    texts = {
        path: environment().get_template(f"{path}.jinja").render(context)
        for path in TEXTS
    }
    return code | texts | _category_files(plan)


def _category_files(plan: Plan) -> dict[str, str]:
    return {
        head.categories_file: json.dumps(head.categories, indent=0, ensure_ascii=False)
        + "\n"
        for head in plan.heads
        if head.categories_in_file
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


def literal(value: Any) -> str:
    """A value as Python source: repr, but 1e-5 for 1e-05, and any text in ASCII escapes
    where it holds characters that do not print."""
    if isinstance(value, (tuple, list)):
        inner = ", ".join(literal(item) for item in value)
        comma = "," if len(value) == 1 else ""
        return f"({inner}{comma})"
    if isinstance(value, dict):
        pairs = (f"{literal(k)}: {literal(v)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, float):
        return repr(value).replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if value is None or isinstance(value, (str, bool, int)):
        return repr(value)
    raise TypeError(f"no literal for {type(value).__name__}")
