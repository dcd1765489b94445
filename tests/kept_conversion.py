"""Runs an emitted export.py: kept_conversion.py KEPT EXPORT.PY ARGUMENT...

The file KEPT holds a conversion by the exporter of PyTorch, which takes half a minute:
the first run makes it, later ones with the same weights read it. Two variables of the
environment are faults: LARGEST_FILE, in bytes, stands for a disk that is full, and
INTERRUPTED for Ctrl-C while files are made.
"""

from __future__ import annotations

import os
import resource
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import torch


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    kept, script = Path(sys.argv[1]), sys.argv[2]
    convert = torch.onnx.export

    def once(*given: object, **named: object) -> SimpleNamespace:
        if not kept.exists():
            onnx.save(convert(*given, **named).model_proto, kept)
        return SimpleNamespace(model_proto=onnx.load(kept), exported_program=None)

    torch.onnx.export = once
    if "LARGEST_FILE" in os.environ:
        limit = int(os.environ["LARGEST_FILE"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if "INTERRUPTED" in os.environ:
        np.savez_compressed = interrupt
    sys.argv = [script, *sys.argv[3:]]
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
