"""Collects all files of an output folder from a compiled job and the job file."""

from __future__ import annotations

from pathlib import Path

from specc.build import Compiled, as_values
from specc.folder.jobfiles import JobFile
from specc.folder.judge import Output


def output_of(file: JobFile, compiled: Compiled) -> Output:
    """Returns the emitted files as bytes, and the job file byte for byte."""
    files = {path: text.encode() for path, text in compiled.files.items()}
    files["job.json"] = file.data
    return Output(file.folder, files, as_values(compiled.job), Path(file.path))
