"""Reads what a checkpoint says besides its tensors, without PyTorch.

A checkpoint is a ZIP file of which one entry is a pickle that refers to the tensors. It
may come from a stranger: nothing that the pickle names is imported or called.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

PICKLE = "data.pkl"
MOST_BYTES = 1 << 28  # largest pickle that is read


class NoCheckpoint(Exception):
    """A file is no checkpoint of train.py."""


class _Mapping(dict):
    """A dictionary that may be given attributes, as torch gives one to state dicts."""


class _Nothing:
    """An object that stands for a tensor, and for anything else that is no plain
    value."""

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        ordered = (module, name) == ("collections", "OrderedDict")
        return _Mapping if ordered else _Nothing

    def persistent_load(self, pid: Any) -> None:
        return None  # the memory of a tensor


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Returns the values of a last.pt or best.pt; tensors in it are placeholders.

    Raises OSError where the file cannot be read, and NoCheckpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (entry,) = (x for x in archive.infolist() if _is_pickle(x.filename))
            if entry.file_size > MOST_BYTES:
                raise NoCheckpoint(path)
            found = _Reader(io.BytesIO(archive.read(entry))).load()
        if not isinstance(found["job"], str):
            raise NoCheckpoint(path)
        return found
    except OSError:
        raise
    except Exception:  # a foreign file can raise any exception
        raise NoCheckpoint(path) from None


def _is_pickle(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(f"/{PICKLE}")
