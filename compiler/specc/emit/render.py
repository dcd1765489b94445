"""Renders the plan: fills templates in, then adds the parts and imports that they
use."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.ext import Extension

from specc.emit.columns import label_columns
from specc.emit.imports import with_imports
from specc.emit.parts import (
    Part,
    Shelf,
    chosen,
    fail,
    module_of,
    placed,
    refuse_misplaced,
    refuse_tags,
)
from specc.heads import TASK_NAMES
from specc.plan.contract.contract import ContractPlan
from specc.plan.extras import CONTRACT, INIT, RUNTIME
from specc.plan.page import Plan
from specc.resources import names, read_text, template_folder
from specc.source import literal

SAMPLES, LABEL_COLUMNS = "samples.py", "label_columns"
CODE = (
    *("model.py", "cache.py", "dataset.py", SAMPLES, "data.py"),
    *("evaluate.py", "draw.py", "checkpoints.py", "safety.py", "train.py"),
    *("predict.py", "export.py"),
)
MODULES = (  # modules that have parts
    *("model.py", "dataset.py", "samples.py", "data.py"),
    *("evaluate.py", "draw.py"),
)
TEXTS = (".gitattributes", "README.md", "requirements.txt")


# Fills in the template of a path: (path, the plan's values, further ones) -> text.
Fill = Callable[..., str]


def render(plan: Plan) -> dict[str, str]:
    """Returns path -> text. Modules are in an order in which each imports only earlier
    ones.

    Raises PartError, UnknownName, TakenName, which are faults of specc.
    """
    return Rendering(plan).files


def filled(path: str, context: dict, **more: object) -> str:
    """Returns a page, or a file of parts, filled in with the plan's values."""
    return environment().get_template(f"{path}.jinja").render(context, **more)


class Rendering:
    """The texts of a plan, each of which is made when it is asked for.

    `fill` fills templates in. Properties raise as `render`.
    """

    def __init__(self, plan: Plan, fill: Fill = filled):
        self.plan, self.fill = plan, fill
        self.variables = plan.context()
        self.made: dict[str, str] = {}  # path -> page or text
        self.chosen: dict[str, list[Part]] = {}  # module apart -> its parts

    @cached_property
    def shelves(self) -> list[Shelf]:
        emitted = [path for path in self.modules if path in MODULES]
        return shelves_for(emitted, self.variables, self.fill)

    @cached_property
    def pages(self) -> dict[str, str]:
        """The pages of modules, without parts and imports."""
        return {path: self.page(path) for path in self.modules}

    @property
    def modules(self) -> list[str]:
        """The paths of modules, in an order in which each imports only earlier ones."""
        emitted = self.variables["emitted"]
        return [path for path in CODE if emitted.get(path, True)]

    def page(self, path: str) -> str:
        if path not in self.made:
            self.made[path] = self._page(path)
        return self.made[path]

    def _page(self, path: str) -> str:
        """Returns a page; samples.py alone reads the columns of labels, which follow
        from parts."""
        more: dict[str, object] = {"constants": self.plan.constants.get(path, ())}
        if path == SAMPLES:
            more[LABEL_COLUMNS] = self.columns(self.variables)
        return self.fill(path, self.variables, **more)

    def columns(self, variables: dict[str, Any]) -> Any:
        """Returns the columns of labels, which follow from these variables and from
        parts."""
        at, types = "at" if variables["partial"] else "i", variables["label_types"]
        return label_columns(variables["heads"], types, self.shelves, at)

    @cached_property
    def parts(self) -> list[Part]:
        """The parts of modules, in order."""
        return chosen(self.pages, self.shelves)

    @property
    def apart(self) -> list[str]:
        """The paths of modules that run apart from the others."""
        wanted = [CONTRACT] if self.plan.contract else []
        return wanted + ([RUNTIME] if self.variables["emitted"][RUNTIME] else [])

    def parts_apart(self, path: str) -> list[Part]:
        """Returns the parts of a module that runs apart."""
        if path not in self.chosen:
            page = {path: self.page(path)}
            self.chosen[path] = chosen(page, self.shelves_of(path))
        return self.chosen[path]

    def shelves_of(self, path: str) -> list[Shelf]:
        return shelves_for((path,), self.variables, self.fill)

    @cached_property
    def texts(self) -> dict[str, Callable[[], str]]:
        """The files that are no modules with parts, each with what makes its text."""
        plan, wanted = self.plan, [*TEXTS, *self.variables["further_texts"]]
        wanted += [INIT] if plan.package else []
        files = {path: partial(self.fill, path, self.variables) for path in wanted}
        files |= {"resolved.json": partial(_resolved, plan)} | _name_files(plan)
        state = partial(_state, plan.contract) if plan.contract else None
        return files | ({"state_dict.json": state} if state else {})

    def text(self, path: str) -> str:
        """Returns the text of a file that is no module with parts."""
        if path not in self.made:
            self.made[path] = self.texts[path]()
        return self.made[path]

    @cached_property
    def files(self) -> dict[str, str]:
        refuse_misplaced(self.pages, self.shelves)
        code: dict[str, str] = {}
        texts = placed(self.pages, self.parts)
        package = "." * bool(self.plan.package)
        for path, text in texts.items():
            # Imports define nothing: a text without them is parsed once for all.
            earlier = {before: texts[before] for before in code}
            code[path] = with_imports(path, text, earlier, package)
        for path in self.apart:
            page = {path: self.page(path)}
            refuse_misplaced(page, self.shelves_of(path))
            text = placed(page, self.parts_apart(path))[path]
            code[path] = with_imports(path, text, {})
        return code | {path: self.text(path) for path in self.texts}


def shelves_for(
    modules: Sequence[str], context: dict, fill: Fill = filled
) -> list[Shelf]:
    """Returns the files of parts for these modules, in the order in which their parts
    are emitted."""
    return [
        Shelf(file, source, partial(_part, file, source, context, fill))
        for file, source in _files()
        if module_of(file) in modules
    ]


def _part(file: str, source: str, context: dict, fill: Fill) -> str:
    """Returns the text of a file of parts. Raises PartError."""
    if not file.endswith(".jinja"):
        return source
    try:
        return fill(file.removesuffix(".jinja"), context)
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


def _resolved(plan: Plan) -> str:
    """Returns the job with every default."""
    return f"{json.dumps(plan.resolved, indent=2, ensure_ascii=False)}\n"


def _name_files(plan: Plan) -> dict[str, Callable[[], str]]:
    """Returns the JSON files of names and colors that are too many for the code, each
    with what makes its text."""
    others = dict(pair for head in plan.heads for pair in head.code.files)
    lines = {name: partial(_listed, value) for name, value in others.items()}
    return lines | {
        head.names_file: partial(_names, head.names)
        for head in plan.heads
        if head.names_in_file
    }


def _listed(values: Sequence) -> str:
    return "[\n" + ",\n".join(map(json.dumps, values)) + "\n]\n"


def _names(values: Sequence[str]) -> str:
    return json.dumps(values, indent=0, ensure_ascii=False) + "\n"


@lru_cache
def environment() -> Environment:
    """Returns Jinja's environment, as `environment_with` makes it."""
    return environment_with()


def environment_with(*extensions: type[Extension]) -> Environment:
    """Returns an environment with extensions of Jinja: tags leave no lines behind, and
    a variable that the plan lacks is an error."""
    made = Environment(
        loader=FileSystemLoader(template_folder()),
        extensions=extensions,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
        cache_size=-1,  # keep all templates
        auto_reload=False,  # True would look for a newer file each time
    )
    made.filters["py"] = literal
    return made
