"""Names of a dataset that a head learns as one: E314."""

from __future__ import annotations

from collections.abc import Iterator

from specc.diagnostics import Diagnostic, Edit, Path, drop, likely, move
from specc.heads import names_of, task_of
from specc.job import Head, Job
from specc.words import clip, close_to, did_you_mean


def merged_names(job: Job, given: dict) -> list[Diagnostic]:
    """E314: names of a head stand for names of the dataset, each of them for others."""
    return [
        finding
        for index, head in enumerate(job.heads)
        for finding in _of_head(head, ("model", "heads", index, "merge"))
    ]


def _of_head(head: Head, path: Path) -> Iterator[Diagnostic]:
    task, seen = task_of(head), {}
    names = names_of(head, task)
    for name, parts in (getattr(head, "merge", None) or {}).items():
        if name not in names:
            close = did_you_mean(name, list(names))
            yield Diagnostic(
                "E314",
                f"`merge` of head `{head.name}` joins names to `{clip(name)}`,"
                f" which is none of its {task.counted[1]}",
                (*path, name),
                help=close or f"add it to the {task.counted[1]}",
                at_key=True,
                edit=_meant((*path, name), list(names)),
            )
        for place, part in enumerate(parts):
            other = part if part in names else seen.setdefault(part, name)
            if other != name or part in names:
                yield Diagnostic(
                    "E314",
                    f"`{clip(part)}` is to be learned as `{clip(name)}`,"
                    f" and as `{clip(other)}`",
                    (*path, name, place),
                    help="remove one of the two",
                    edit=likely(
                        drop((*path, name, place) if parts[1:] else (*path, name))
                    ),
                    note=f"a {task.counted[0]} of the head stands for its own name",
                )


def _meant(path: Path, names: list[str]) -> Edit | None:
    """Returns the edit that renames a key to the name of the head that is like it."""
    close = close_to(path[-1], names)
    return likely(move(path, (*path[:-1], close))) if close else None
