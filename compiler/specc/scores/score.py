"""`specc score`: of each detector in an output folder, the metrics of each category,
and what was taken for what."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from specc.scores.counts import Matches, match, match_poses, overlaps_of, precisions
from specc.scores.found import Found, find

WIDEST = 8  # categories of a table of confusions that is printed


def score(
    folder: Path, output: Path | None, form: str, min_score: float | None, **options
) -> int:
    """Prints the tables, and writes them to `output`: a CSV of metrics and one of
    confusions for each head. `options` are those of evaluate.py."""
    found = find(folder, **options)
    tables = {}
    for head, names in found.heads.items():
        if table := tabulated(found, head, names, min_score):
            tables[head] = table
    if form == "json":
        print(json.dumps(tables, indent=2))
    else:
        print("\n\n".join(map(_told, tables, tables.values())) or _none(folder))
    for head, table in tables.items() if output else ():
        output.mkdir(parents=True, exist_ok=True)
        _save(output / f"{head}.csv", _rows(table))
        if "confusions" in table:
            _save(output / f"{head}-confusion.csv", _confusion_rows(table))
    return 0


def tabulated(
    found: Found, head: str, names: tuple[str, ...], min_score: float | None
) -> dict | None:
    """The metrics of each category, and its confusions, as plain values; None of a head
    that finds no objects."""
    known = labeled(found, head)
    if known and head in found.of_segments:
        evidence = [found.evidence[number][head] for number in known]
        return {"categories": segments(np.sum(evidence, 0), names)}
    if not (judged := judged_objects(found, head, names)):
        return None
    names, matches, metrics = judged
    least = matches.best_score() if min_score is None else min_score
    confusions = matches.above(least).confusions()
    rows = {
        name: _row(matches, confusions, number, metrics[name])
        for number, name in enumerate(names)
    }
    return {
        "min_score": least,
        "chosen": min_score is None,
        "categories": rows,
        "confusions": confusions.tolist(),
    }


def labeled(found: Found, head: str) -> list[int]:
    """Returns the numbers of the samples that have a label for a head."""
    return [number for number, x in enumerate(found.samples) if head in x.labels]


def judged_objects(
    found: Found, head: str, names: tuple[str, ...]
) -> tuple[tuple[str, ...], Matches, dict] | None:
    """Returns the names of categories, the matches of predictions, and the metrics of
    each category; None of a head that finds no objects."""
    known = labeled(found, head)
    if not known or head not in found.words[known[0]]:
        return None
    if names:
        words = [found.words[number][head] for number in known]
        truth = [found.samples[number].labels[head] for number in known]
        matches = match(truth, words, names, overlaps_of(found.evaluate, truth[0]))
        return names, matches, precisions(found.evaluate, truth, words, names)
    evidence = [found.evidence[number].get(head) for number in known]
    if not hasattr(evidence[0], "matches"):
        return None
    metrics = {head: found.evaluate.keypoint_metrics(evidence)}
    return (head,), match_poses(evidence), metrics


def _row(matches: Matches, confusions: np.ndarray, number: int, metrics: dict) -> dict:
    right, objects = confusions[number, number], matches.objects[number]
    row = {
        "objects": int(objects),
        "ap": metrics.get("ap"),
        "ap50": metrics.get("ap50"),
    }
    return row | _shares(right, confusions[:, number].sum(), objects)


def segments(counts: np.ndarray, names: tuple[str, ...]) -> dict[str, dict]:
    """Panoptic quality by category, from the sum of IoU of the matches, matches,
    segments found in vain and segments missed: (4, categories). F1 is the quality of
    recognition.
    """
    rows = {}
    for name, (overlaps, right, wrong, missing) in zip(names, counts.T):
        known = right + wrong + missing
        qualities = {
            "pq": overlaps / (right + (wrong + missing) / 2) if known else None,
            "sq": overlaps / right if right else None,
        }
        qualities = {key: _float(value) for key, value in qualities.items()}
        shares = _shares(right, right + wrong, right + missing)
        rows[name] = {"objects": int(right + missing)} | qualities | shares
    return rows


def _shares(right: float, found: float, objects: float) -> dict[str, float | None]:
    totals = {"precision": found, "recall": objects, "f1": (found + objects) / 2}
    return {k: _float(right / total) if total else None for k, total in totals.items()}


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


# ---- Tables ----


def _rows(table: dict) -> list[list]:
    """A row for each category, below the titles; empty where nothing is known."""
    categories = table["categories"]
    rows = [["category", *row] for row in categories.values()][:1]
    for name, row in categories.items():
        rows.append([name, *("" if x is None else x for x in row.values())])
    return rows


def _confusion_rows(table: dict) -> list[list]:
    names = list(table["categories"])
    counts = zip([*names, "background"], table["confusions"])
    return [["", *names, "missed"], *([name, *row] for name, row in counts)]


def _save(path: Path, rows: list) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _told(head: str, table: dict) -> str:
    metrics = _aligned([[_short(x) for x in row] for row in _rows(table)])
    if "confusions" not in table:
        return "\n".join([f"{head}:", *metrics])
    why = "the best F1; --min-score chooses another" if table["chosen"] else "as asked"
    lines = [f"{head}: predictions from a score of {table['min_score']:.3f} on ({why})"]
    lines += metrics
    if len(table["categories"]) == 1:
        return "\n".join(lines)
    lines += ["", "found as, at an IoU of 0.5; background is what was found in vain:"]
    if len(table["categories"]) <= WIDEST:
        rows = [[str(x) for x in row] for row in _confusion_rows(table)]
        return "\n".join(lines + _aligned(rows))
    return "\n".join(lines + _aligned(_worst(table)))


def _worst(table: dict) -> list[list[str]]:
    """The most frequent confusions of two categories."""
    names, counts = list(table["categories"]), np.array(table["confusions"])
    counts = counts[:-1, :-1] * ~np.eye(len(names), dtype=bool)
    order = np.argsort(-counts, axis=None, kind="stable")[:10]
    places = [divmod(int(place), len(names)) for place in order]
    rows = [[names[i], names[j], str(counts[i, j])] for i, j in places if counts[i, j]]
    return [["category", "found as", "times"], *rows]


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def _none(folder: Path) -> str:
    what = f"{folder} has no head that finds objects of categories"
    return f"{what}; specc report RUN tells of its others"
