"""A compiled job and its file: what shall stand in the output folder."""

from __future__ import annotations

from pathlib import Path

from specc.build import Compiled, as_values
from specc.folder.jobfiles import JobFile
from specc.folder.write import Output


def output_of(file: JobFile, compiled: Compiled) -> Output:
    """The emitted files as bytes, and the job's own, byte for byte."""
    files = {path: text.encode() for path, text in compiled.files.items()}
    files["job.json"] = file.data
    return Output(file.folder, files, as_values(compiled.job), Path(file.path))
