"""Collects all files of an output folder from a compiled job and the job file."""

from __future__ import annotations

from pathlib import Path

from specc.build import Compiled, as_values
from specc.folder.jobfiles import JobFile
from specc.folder.judge import ATTRIBUTES, Output

# Files that follow from others, which a review may skip.
_FOLDED = ("resolved.json", "state_dict.json")


def output_of(file: JobFile, compiled: Compiled) -> Output:
    """Returns the emitted files as bytes, the job file byte for byte, and the
    attributes by which git keeps line ends."""
    files = {path: text.encode() for path, text in compiled.files.items()}
    files["job.json"] = file.data
    folded = [f"/{path} linguist-generated" for path in _FOLDED if path in files]
    lines = ["/* text=auto eol=lf", *folded]
    files[ATTRIBUTES] = "".join(f"{line}\n" for line in lines).encode()
    return Output(file.folder, files, as_values(compiled.job), Path(file.path))
