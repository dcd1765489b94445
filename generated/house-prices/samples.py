"""Samples as columns: read once, and kept in a file that every process maps.

The file holds the CRC-32 of what follows, the length of a header, the header (JSON), and
flat arrays. It serves as long as the job, the code that reads and all that it has read
stay as they were. It may be deleted at any time.
"""

import functools
import hashlib
import json
import math
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from dataset import NOTES, SOURCES, Sample, read_datasets, state_of

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "specc")


class Samples(Sequence):
    """Samples by columns, one array for each of their values; a Sample is made when it is
    asked for, so that workers share the arrays and nothing else."""

    def __init__(self, columns: dict[str, np.ndarray], chosen: range | None = None):
        self.columns = columns
        self.chosen = range(len(columns["size"])) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int | slice):
        """A sample, or for a slice samples."""
        if isinstance(index, slice):
            return Samples(self.columns, self.chosen[index])
        i = self.chosen[index]
        height, width = self.columns["size"][i].tolist()
        labels = {
            "price": self.columns["price"][i].item(),
        }
        path = Path(self.text("path", i))
        return Sample(path, height, width, labels)

    def rows(self, name: str, i: int) -> np.ndarray:
        """The rows of one sample in a column that has several for each."""
        start, end = self.columns[f"{name}/ends"][i : i + 2]
        return self.columns[name][start:end].copy()

    def text(self, name: str, i: int) -> str:
        return os.fsdecode(self.rows(name, i).tobytes())

    def images(self) -> Iterator[tuple[str, int, int]]:
        """Path, height and width of each, without their labels."""
        ends = self.columns["path/ends"].tolist()
        sizes, paths = self.columns["size"].tolist(), self.columns["path"].tobytes()
        for i in self.chosen:
            yield os.fsdecode(paths[ends[i] : ends[i + 1]]), *sizes[i]


def columns_of(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """The values of samples by name; beside the rows of all, `ends` of those of each."""
    columns = {"size": np.array([(one.height, one.width) for one in samples])}
    columns |= texts("path", [str(one.path) for one in samples])
    labels = [one.labels["price"] for one in samples]
    columns |= numbers("price", [label for label in labels])
    return columns


def numbers(name: str, values: list) -> dict[str, np.ndarray]:
    """A column of one number for each sample."""
    return {name: np.array(values)}


def texts(name: str, values: list[str | bytes]) -> dict[str, np.ndarray]:
    """A column of a text for each sample, a row of bytes."""
    values = [os.fsencode(value) for value in values]
    ends = np.cumsum([0, *map(len, values)])
    return {name: np.frombuffer(b"".join(values), np.uint8), f"{name}/ends": ends}


# ---- The file ----


def read_samples(root: Path, reread: bool = False) -> list[Samples]:
    """The samples to train on, and those to validate on.

    Of the processes of a machine the first one reads them, if no file holds them; the
    others wait, and map the file.
    """
    file = FOLDER / f"{digest_of(root)}.samples"
    found = None
    try:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            found = (None if reread else stored(file)) or read_anew(root, file)
    finally:  # nobody waits for a process that could not read
        if dist.is_initialized():
            dist.all_reduce(torch.zeros(1))
    return found or stored(file) or read_anew(root, file)


def digest_of(root: Path) -> str:
    """Changes with the job, with the code that reads it, and with the root."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("model", "dataset", "samples")]
    digest = hashlib.sha256(f"{root} {root.resolve()}".encode(errors="surrogateescape"))
    for file in (*files, *sorted(here.glob("*.json"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:20]


def read_anew(root: Path, file: Path) -> list[Samples]:
    """Reads the datasets, and keeps what they say in the file."""
    sets = [columns_of(samples) for samples in read_datasets(root)]
    arrays = {f"{i}/{name}": x for i, of in enumerate(sets) for name, x in of.items()}
    # Larger items first: then all of them are aligned.
    arrays = dict(sorted(arrays.items(), key=lambda pair: -pair[1].itemsize))
    try:
        keep(file, arrays)
        print(f"{file}: samples, {file.stat().st_size / 1e6:,.1f} MB", file=sys.stderr)
    except OSError as error:
        what = f"samples cannot be kept, and are read at each start: {error.strerror}"
        print(f"{file}: {what}", file=sys.stderr)
    return [Samples(columns) for columns in sets]


def keep(file: Path, arrays: dict[str, np.ndarray]):
    """Under another name first: `file` is never half a file."""
    header = {
        "sources": SOURCES,
        "notes": NOTES,
        "arrays": {name: [x.dtype.str, x.shape] for name, x in arrays.items()},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    chunks = [len(text).to_bytes(8, "little"), text]
    chunks += [
        np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in arrays.values()
    ]
    check = functools.reduce(lambda crc, chunk: zlib.crc32(chunk, crc), chunks, 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as opened:
            opened.writelines([check.to_bytes(8, "little"), *chunks])
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def stored(file: Path) -> list[Samples] | None:
    """The samples of the file; None if it is damaged, or what it was made of changed."""
    try:
        memory = np.memmap(file, np.uint8, "r").view(np.ndarray)
        check, length = (int.from_bytes(memory[i : i + 8], "little") for i in (0, 8))
        if zlib.crc32(memory[8:]) != check:
            return None
        header = json.loads(memory[16 : 16 + length].tobytes())
    except (OSError, ValueError):  # none yet, or an empty one
        return None
    if any(state_of(Path(path)) != state for path, state in header["sources"].items()):
        return None
    sets, start = ({}, {}), 16 + length
    for name, (dtype, shape) in header["arrays"].items():
        number, _, name = name.partition("/")
        end = start + math.prod(shape) * np.dtype(dtype).itemsize
        sets[int(number)][name] = memory[start:end].view(dtype).reshape(shape)
        start = end
    for note in (*header["notes"], f"{file}: samples, {len(memory) / 1e6:,.1f} MB"):
        print(note, file=sys.stderr)
    return [Samples(columns) for columns in sets]
