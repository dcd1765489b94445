"""Samples as columns: read once, and kept in a file that every process maps.

The file is torch.save's, with a CRC-32 behind it. It serves while the job, the code
that reads and all that was read stay as they were. It may be deleted at any time.
"""

import contextlib
import gc
import hashlib
import io
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from dataset import NOTES, SOURCES, Sample, check_labels, noted, read_datasets, state_of
from model import CATEGORIES

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "specc")


class Samples(Sequence):
    """Samples in one array for each of their values. A Sample is made when it is asked
    for, so that processes share the arrays and hold nothing else."""

    def __init__(self, columns: dict[str, np.ndarray], chosen: Sequence | None = None):
        self.columns = columns
        self.chosen = range(len(columns["size"])) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int | slice):
        """Returns a sample, or those of a slice."""
        if isinstance(index, slice):
            return Samples(self.columns, self.chosen[index])
        i = self.chosen[index]
        height, width = self.columns["size"][i].tolist()
        labels = {"subject": self.columns["subject"][i].item()}
        path = Path(self.text("path", i))
        return Sample(path, height, width, labels)

    def rows(self, name: str, i: int) -> np.ndarray:
        """Returns the rows of sample i in a column that has several for each."""
        start, end = self.columns[f"{name}/ends"][i : i + 2]
        return self.columns[name][start:end].copy()

    def text(self, name: str, i: int) -> str:
        return os.fsdecode(self.rows(name, i).tobytes())

    def images(self) -> Iterator[tuple[str, int, int]]:
        """Returns path, height and width of each, without labels."""
        sizes, ends = self.columns["size"].tolist(), self.columns["path/ends"].tolist()
        paths = self.columns["path"].tobytes()
        for i in self.chosen:
            yield os.fsdecode(paths[ends[i] : ends[i + 1]]), *sizes[i]


def columns_of(samples: list[Sample]) -> dict[str, np.ndarray]:
    """Returns values of samples by name; beside rows, the `ends` of each sample's."""
    columns = {"size": np.array([(one.height, one.width) for one in samples])}
    columns |= ragged("path", [np.frombuffer(bytes(x.path), np.uint8) for x in samples])
    labels = [one.labels["subject"] for one in samples]
    columns["subject"] = np.array(labels)
    return columns


def ragged(name: str, values: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Makes a column of several rows for each sample."""
    ends = np.cumsum([0, *map(len, values)])
    values = np.concatenate(values) if values else np.empty(0)
    return {name: values, f"{name}/ends": ends}


# ---- The file ----


def read_samples(root: Path, reread: bool = False) -> list[Samples]:
    """Returns the samples to train on, and those to validate on.

    Of the processes of a machine the first one reads them, if no file holds them; the
    others wait, and map the file.
    """
    here, names = Path(__file__).parent, ("model", "dataset", "samples")
    code = [*(here / f"{name}.py" for name in names), *sorted(here.glob("*.json"))]
    known = [str(root), str(root.resolve()), *(x.read_text("utf-8") for x in code)]
    digest = hashlib.sha256(repr(known).encode()).hexdigest()[:20]
    file, samples = FOLDER / f"{digest}.samples", None
    try:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            samples = None if reread else stored(file)
            if samples:
                print(*NOTES, f"{file}: samples read before", sep="\n", file=sys.stderr)
            samples = samples or read_anew(root, file)
    finally:  # nobody waits for a process that could not read
        if dist.is_initialized():
            dist.all_reduce(torch.zeros(1))
    return samples or stored(file) or read_anew(root, file)


def read_anew(root: Path, file: Path) -> list[Samples]:
    """Reads the datasets, and keeps what they hold in the file."""
    SOURCES.clear()
    NOTES.clear()
    gc.disable()  # millions of objects, and no cycle of references
    try:
        sets = read_datasets(root)
        for use, samples in zip(("train", "validate"), sets):
            check_labels(samples, use, "subject", CATEGORIES, lambda x: [x])
        for folder in {one.path.parent for samples in sets for one in samples}:
            noted(folder)
        sets = [columns_of(samples) for samples in sets]
    finally:
        gc.enable()
    arrays = [{k: torch.from_numpy(x) for k, x in columns.items()} for columns in sets]
    content = io.BytesIO()
    torch.save({"sources": SOURCES, "notes": NOTES, "sets": arrays}, content)
    body = content.getvalue()
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(body + zlib.crc32(body).to_bytes(8, "little"))
        temporary.replace(file)  # no reader sees half a file
        print(f"{file}: samples, {len(body) / 1e6:,.1f} MB", file=sys.stderr)
    except OSError as error:
        what = f"samples cannot be kept, and are read at each start: {error.strerror}"
        print(f"{file}: {what}", file=sys.stderr)
        with contextlib.suppress(OSError):
            temporary.unlink()
    return [Samples(columns) for columns in sets]


def stored(file: Path) -> list[Samples] | None:
    """Loads the samples of a file; None if it is damaged, or its sources changed."""
    try:
        memory = np.memmap(file, np.uint8, "r")
    except (OSError, ValueError):  # no file yet, or an empty one
        return None
    if zlib.crc32(memory[:-8]) != int.from_bytes(memory[-8:], "little"):
        return None
    found = torch.load(file, mmap=True, weights_only=True)
    if any(state_of(Path(path)) != state for path, state in found["sources"].items()):
        return None
    NOTES[:] = found["notes"]
    return [
        Samples({k: x.numpy() for k, x in columns.items()}) for columns in found["sets"]
    ]
