"""The description of the native layout in the docstring of dataset.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads import once
from specc.heads.task import Task

if TYPE_CHECKING:
    from specc.plan.readers import Reader


def notes_of(reader: Reader) -> list[str]:
    """Returns sentences on what the examples do not show."""
    tasks = reader.tasks
    notes = once([task.native.empty_note] for task in tasks if task.native.empty_note)
    lines = []
    if reader.nullable:
        null = f"`null` {'is no label' if reader.several else 'leaves an image out'}"
        lines.append(", ".join([null, *notes]) + ".")
    if reader.several:
        lines.append("An image trains the heads that it has labels for.")
    if any(task.in_folder for task in tasks):
        lines.append("A map has the stem of its image; it may be smaller.")
        lines += once(
            [task.native.folder_note] for task in tasks if task.native.folder_note
        )
    return lines


def examples_of(reader: Reader) -> list[str]:
    tasks = {
        task.described_as or task.title: (task, head)
        for task, head in zip(reader.tasks, reader.heads)
        if not task.unlabeled
    }
    if not tasks:
        return []
    several = len(tasks) > 1
    lines = ["metadata.yaml"]
    for number, (title, (task, _)) in enumerate(tasks.items(), 1):
        lines.append(f"{'  - ' if several else '    '}task: {title}")
        lines += [f"    {line}" for line in task.native.metadata]
        lines.append(f"    annotations: {_file(task, number if several else '')}")
    for number, (task, head) in enumerate(tasks.values(), 1):
        lines.append(_file(task, number if several else ""))
        image = f"image.{task.native.map_suffix}" if task.in_folder else "image.jpg"
        lines.append(f"    {image}: {head.code.annotation}")
    return lines


def _file(task: Task, number: int | str) -> str:
    """Returns the file or folder that holds the annotations in the example."""
    return f"maps{number}/" if task.in_folder else f"annotations{number}.yaml"
