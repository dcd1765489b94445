"""Computes the imports of an emitted module from the names that it uses.

Templates never write imports, so none can be missing or left over: a name that a module
neither defines nor inherits from Python is looked up here, or in the modules before it.
"""

from __future__ import annotations

from collections import defaultdict

from specc.emit.names import defined, parsed, used

# Name in the code -> (module, name in the module, or None for the module itself).
_STANDARD = {
    **{
        name: (name, None)
        for name in (
            "argparse", "ast", "atexit", "colorsys", "contextlib", "copy", "csv", "functools", "gc", "glob",
            "hashlib", "html", "inspect", "io", "itertools", "json", "math", "multiprocessing", "os", "re",
            "shutil", "signal", "struct", "subprocess", "sys", "tempfile", "threading", "time", "warnings", "zlib",
        )
    },
    "Counter": ("collections", "Counter"),
    "Callable": ("collections.abc", "Callable"),
    "Hashable": ("collections.abc", "Hashable"),
    "Iterable": ("collections.abc", "Iterable"),
    "Iterator": ("collections.abc", "Iterator"),
    "Sequence": ("collections.abc", "Sequence"),
    "Path": ("pathlib", "Path"),
    "PurePosixPath": ("pathlib", "PurePosixPath"),
    "PureWindowsPath": ("pathlib", "PureWindowsPath"),
    "unquote": ("urllib.parse", "unquote"),
    "BinaryIO": ("typing", "BinaryIO"),
    "partial": ("functools", "partial"),
    "importlib": ("importlib.util", None),
    "import_module": ("importlib", "import_module"),
    "ModuleType": ("types", "ModuleType"),
    "NamedTuple": ("typing", "NamedTuple"),
    "SimpleNamespace": ("types", "SimpleNamespace"),
}  # fmt: skip
_OTHERS = {
    "cv2": ("cv2", None),
    "np": ("numpy", None),
    "onnxruntime": ("onnxruntime", None),
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
    "pytree": ("torch.utils", "_pytree as pytree"),
    "SummaryWriter": ("torch.utils.tensorboard", "SummaryWriter"),
    "tqdm": ("tqdm", "tqdm"),
}
KNOWN = frozenset(_STANDARD) | frozenset(_OTHERS)  # names of libraries


class UnknownName(Exception):
    """A template uses a name that nothing defines: a fault of specc."""


class TakenName(Exception):
    """A module defines a name that is also a library's: a fault of specc. The second of
    two imports of one name would win silently in each module that uses both."""


def with_imports(
    path: str, text: str, earlier: dict[str, str], package: str = ""
) -> str:
    """Returns a module with its imports after its docstring.

    ``earlier`` are the modules emitted before, whose top-level names the module may
    use; ``package`` is their package ("." is the module's own). Raises UnknownName,
    TakenName, SyntaxError.
    """
    taken = KNOWN.intersection(defined(text))
    if taken:
        names = ", ".join(sorted(taken))
        raise TakenName(
            f"{path}: defines {names}, which the imports know as a library's"
        )
    wanted = used(text)
    own = _exports(earlier, package)
    unknown = wanted - KNOWN - own.keys()
    if unknown:
        what = f"nothing defines {', '.join(sorted(unknown))}"
        raise UnknownName(f"{path}: {what}; is a part of templates/heads missing?")
    return inserted(text, imports_for(wanted, own))


def inserted(text: str, block: str) -> str:
    """Returns a module with a block of imports after its docstring. Raises
    SyntaxError."""
    after = parsed(text).body[0].end_lineno  # last line of the docstring
    lines = text.splitlines()
    return "\n".join([*lines[:after], "", block, "", *lines[after:]]) + "\n"


def imports_for(wanted: frozenset[str], own: dict[str, tuple[str, str]]) -> str:
    """Returns the imports of names, in groups; `own` maps names of the folder to their
    modules."""
    groups = [_lines(wanted, _STANDARD), _lines(wanted, _OTHERS), _lines(wanted, own)]
    return "\n\n".join("\n".join(lines) for lines in groups if lines)


def _exports(modules: dict[str, str], package: str) -> dict[str, tuple[str, str]]:
    """Returns the top-level names of modules; the first module with a name owns the
    name."""
    exports: dict[str, tuple[str, str]] = {}
    for path, text in modules.items():
        module = package + path.removesuffix(".py")
        for name in defined(text):
            exports.setdefault(name, (module, name))
    return exports


def _lines(wanted: set[str], known: dict[str, tuple[str, str | None]]) -> list[str]:
    """Returns sorted import lines: modules first, then names by module."""
    modules, names = [], defaultdict(list)
    for one in wanted & known.keys():
        module, name = known[one]
        if name is None:
            alias = "" if one == module.split(".")[0] else f" as {one}"
            modules.append(f"import {module}{alias}")
        else:
            names[module].append(name)
    from_lines = [
        f"from {module} import {', '.join(_ordered(found))}"
        for module, found in sorted(names.items())
    ]
    return sorted(modules) + from_lines


def _ordered(names: list[str]) -> list[str]:
    """Returns names sorted as by isort: constants, then classes, then functions."""
    return sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
