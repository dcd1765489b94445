"""All that is known about one job and its dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specc.datasets.emitted import Emitted, Reading
from specc.datasets.levels import Objects, objects_of
from specc.datasets.survey import Images, Labels


@dataclass(frozen=True)
class Looked:
    """All that is known about one job and its dataset."""

    values: dict[str, Any]  # the job as written
    emitted: Emitted
    root: Path  # folder where the paths in the job begin
    reading: Reading
    images: Images
    labels: dict[str, Labels]  # head -> its labels

    @property
    def samples(self) -> list:
        return self.reading.training + self.reading.validation

    def objects(self, head: Any) -> Objects | None:
        summary, resolution = self.emitted.summary, self.emitted.job.data.resolution
        return objects_of(self.reading.training, head, summary, resolution)
