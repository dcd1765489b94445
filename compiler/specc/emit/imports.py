"""Computes the imports of an emitted module from the names that it uses.

Templates never write imports, so none can be missing or left over: a name that a module
neither defines nor inherits from Python is looked up here, or in the modules before it.
"""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from functools import lru_cache

# Name in the code -> (module, name there or None for the module itself).
_STANDARD = {
    **{
        name: (name, None)
        for name in (
            "argparse", "ast", "atexit", "colorsys", "contextlib", "copy", "csv", "functools",
            "hashlib", "html", "inspect", "io", "itertools", "json", "math", "multiprocessing", "os", "re",
            "shutil", "signal", "subprocess", "sys", "threading", "time",
        )
    },
    "Counter": ("collections", "Counter"),
    "Callable": ("collections.abc", "Callable"),
    "Iterable": ("collections.abc", "Iterable"),
    "Iterator": ("collections.abc", "Iterator"),
    "Sequence": ("collections.abc", "Sequence"),
    "Path": ("pathlib", "Path"),
    "PureWindowsPath": ("pathlib", "PureWindowsPath"),
    "BinaryIO": ("typing", "BinaryIO"),
    "importlib": ("importlib.util", None),
    "import_module": ("importlib", "import_module"),
    "ModuleType": ("types", "ModuleType"),
    "NamedTuple": ("typing", "NamedTuple"),
}  # fmt: skip
_OTHERS = {
    "cv2": ("cv2", None),
    "np": ("numpy", None),
    "pytest": ("pytest", None),
    "torch": ("torch", None),
    "dist": ("torch.distributed", None),
    "F": ("torch.nn.functional", None),
    "yaml": ("yaml", None),
    "COCO": ("faster_coco_eval", "COCO"),
    "COCOeval_faster": ("faster_coco_eval", "COCOeval_faster"),
    "ElementTree": ("defusedxml", "ElementTree"),
    "Figure": ("matplotlib.figure", "Figure"),
    "Image": ("PIL", "Image"),
    "AppendingTiffWriter": ("PIL.TiffImagePlugin", "AppendingTiffWriter"),
    "ImageSequence": ("PIL", "ImageSequence"),
    "coco_mask": ("faster_coco_eval.core", "mask as coco_mask"),
    "load_file": ("safetensors.torch", "load_file"),
    "timm": ("timm", None),
    "Tensor": ("torch", "Tensor"),
    "nn": ("torch", "nn"),
    "DistributedDataParallel": ("torch.nn.parallel", "DistributedDataParallel"),
    "DataLoader": ("torch.utils.data", "DataLoader"),
    "Dataset": ("torch.utils.data", "Dataset"),
    "SummaryWriter": ("torch.utils.tensorboard", "SummaryWriter"),
    "tqdm": ("tqdm", "tqdm"),
}
_FILE_NAMES = {"__file__", "__doc__", "__name__"}


KNOWN = frozenset(_STANDARD) | frozenset(_OTHERS)  # names of libraries


class UnknownName(Exception):
    """A template uses a name that nothing defines: specc's own fault."""


class TakenName(Exception):
    """A module defines a name that is a library's: specc's own fault. Of two imports of
    one name the second would win, in silence, in each module that uses both."""


def with_imports(path: str, text: str, earlier: dict[str, str]) -> str:
    """The module with its imports after its docstring; ``earlier`` are those emitted
    before it, whose top-level names it may use. Raises UnknownName, TakenName,
    SyntaxError."""
    tree = ast.parse(text, path)
    taken = KNOWN.intersection(_top_level(text))
    if taken:
        names = ", ".join(sorted(taken))
        raise TakenName(
            f"{path}: defines {names}, which the imports know as a library's"
        )
    wanted = _used(tree) - _bound(tree) - set(dir(builtins)) - _FILE_NAMES
    own = _exports(earlier)
    groups = [_lines(wanted, _STANDARD), _lines(wanted, _OTHERS), _lines(wanted, own)]
    unknown = wanted - KNOWN - own.keys()
    if unknown:
        raise UnknownName(f"{path}: nothing defines {', '.join(sorted(unknown))}")
    block = "\n\n".join("\n".join(lines) for lines in groups if lines)
    after = tree.body[0].end_lineno  # of the docstring
    lines = text.splitlines()
    return "\n".join([*lines[:after], "", block, "", *lines[after:]]) + "\n"


def _used(tree: ast.Module) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _bound(tree: ast.Module) -> set[str]:
    """Names that the module binds anywhere; it never uses one name for two things."""
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound


def _exports(modules: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Top-level names of the modules; the first module that defines a name owns it."""
    exports: dict[str, tuple[str, str]] = {}
    for path, text in modules.items():
        module = path.removesuffix(".py")
        for name in _top_level(text):
            exports.setdefault(name, (module, name))
    return exports


@lru_cache(maxsize=64)
def _top_level(text: str) -> tuple[str, ...]:
    """The names that a module defines: each module after it asks for them."""
    return tuple(
        name for statement in ast.parse(text).body for name in _defined(statement)
    )


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return sorted(
            node.id
            for target in statement.targets
            for node in ast.walk(target)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
    return []


def _lines(wanted: set[str], known: dict[str, tuple[str, str | None]]) -> list[str]:
    """Sorted import lines: modules first, then names by module."""
    modules, names = [], defaultdict(list)
    for used in wanted & known.keys():
        module, name = known[used]
        if name is None:
            alias = "" if used == module.split(".")[0] else f" as {used}"
            modules.append(f"import {module}{alias}")
        else:
            names[module].append(name)
    from_lines = [
        f"from {module} import {', '.join(_ordered(found))}"
        for module, found in sorted(names.items())
    ]
    return sorted(modules) + from_lines


def _ordered(names: list[str]) -> list[str]:
    """Constants, then classes, then functions, as import sorters have it."""
    return sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
