"""Imports timm, also beside a torchvision that does not fit the installed PyTorch.

timm imports torchvision. Its wheel needs the CUDA build of PyTorch; beside a CPU build
the import ends with "operator torchvision::nms does not exist". timm's models call none
of torchvision's operators: it is enough that the names exist. This module imports
nothing of specc, so that probe.py can use it in a process of its own.
"""

import importlib
import sys
from types import ModuleType

_OPERATORS = ("nms", "qnms")
_kept = []  # PyTorch forgets operators along with the library that defined them


def import_timm() -> ModuleType:
    """Imports and returns timm. Raises whatever the import of torch or timm raises,
    mostly ImportError."""
    importlib.import_module("torch")
    try:
        importlib.import_module("torchvision")
    except ImportError:
        pass  # importing timm then raises, and names what is missing
    except RuntimeError:
        _name_operators()
    return importlib.import_module("timm")


def _name_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in _OPERATORS:
        library.define(
            f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
    _kept.append(library)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # drop half-imported modules
