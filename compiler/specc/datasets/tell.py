"""The report of `specc data`: one set of values, as JSON for tools, as text for
people."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from specc.datasets.gate.findings import Finding
from specc.datasets.levels import FREE, RULE, fitting, padding
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import SETS, Labels, sizes_of
from specc.words import number_of

NAMED = 5  # most files that a finding names
SHOWN, RAREST = 12, 3  # categories that are shown, and the rarest of them at the end
NOTES = 20  # most lines on annotations that were left out or mended
NUMBERS = {  # unit of the counts -> name of the numbers
    "tokens": "tokens of a text",
    "maps": "depth, nearest .. median .. farthest, in the unit of the range",
}


def as_values(
    looked: Looked, findings: list[Finding], pictures: dict[str, Any]
) -> dict[str, Any]:
    """Returns the whole report as values for JSON."""
    job, reading = looked.emitted.job, looked.reading
    sets = (*SETS, "test") if reading.test else SETS
    values: dict[str, Any] = {
        "name": job.name,
        "format": job.data.format,
        "resolution": list(job.data.resolution),
        "sets": {name: sizes_of(getattr(reading, name)) for name in sets},
        "notes": dict(sorted(reading.counts.items())),
        "heads": [_head(looked, head) for head in job.heads],
    }
    if looked.samples:
        divisor = looked.emitted.summary.divisor
        values["padding"] = round(padding(looked.samples, job.data.resolution), 4)
        values["suggested_resolution"] = fitting(
            looked.samples, job.data.resolution, divisor
        )
    values["findings"] = [_finding(finding) for finding in findings]
    values["pictures"] = pictures
    return values


def _head(looked: Looked, head: Any) -> dict[str, Any]:
    labels, objects = looked.labels[head.name], looked.objects(head)
    told: dict[str, Any] = {"name": head.name, "task": head.task, "unit": labels.unit}
    told["counts"] = {name: dict(labels.counts[name].most_common()) for name in SETS}
    told["numbers"] = {name: _spread(labels, name) for name in SETS}
    if objects is not None and objects.boxes:
        used = [x.level for x in objects.levels if x.owned > 0.01 * len(objects.boxes)]
        told["objects"] = {
            "count": len(objects.boxes),
            "most_in_an_image": objects.most,
            "narrower_than_a_cell": objects.narrow,
            "without_a_center": objects.unreached,
            "rule": RULE,
            "levels": [vars(level) for level in objects.levels],
            "suggested_levels": [used[0], used[-1]] if used else [],
        }
    return told


def _spread(labels: Labels, name: str) -> list[float]:
    values = sorted(labels.numbers[name])
    if not values:
        return []
    ends = values[0], values[len(values) // 2], values[-1]
    return [round(value, 4) for value in ends]


def _finding(finding: Finding) -> dict[str, Any]:
    edits = [{"path": path, "value": value} for path, value in finding.edits]
    return {
        "code": finding.code,
        "finding": finding.kind,
        "severity": finding.severity,
        "message": finding.message,
        "help": finding.help,
        "count": finding.count,
        "edits": edits,
        "files": list(finding.files),
    }


def as_text(values: dict[str, Any]) -> str:
    """Returns the report as text."""
    height, width = values["resolution"]
    tasks = ", ".join(head["task"].replace("_", " ") for head in values["heads"])
    lines = [
        f"{values['name']}: {tasks}, format {values['format']}, input {height}x{width}"
    ]
    lines += ["", *_sets(values)]
    notes = [f"{what}: {count:,}" for what, count in values["notes"].items()]
    others = number_of(len(notes) - NOTES, "more such line")
    more = [f"and {others}"] if len(notes) > NOTES else []
    lines += notes[:NOTES] + more
    for head in values["heads"]:
        lines += _counts(head)
        lines += _levels(head)
    for finding in values["findings"]:
        lines += _told(finding)
    if not values["findings"]:
        lines += ["", "nothing to mend"]
    if values["pictures"]:
        lines += ["", *(f"{what}: {path}" for what, path in values["pictures"].items())]
    if lock := values.get("lock"):
        lines += ["", f"{lock['file']}: {lock['says']}"]
        lines += [f"  {change}" for change in lock.get("changes", ())]
    return "\n".join(lines)


def _sets(values: dict[str, Any]) -> list[str]:
    rows = [("", "images", "height", "width", "width / height")]
    for name, sizes in values["sets"].items():
        spans = [_span(sizes.get(key)) for key in ("height", "width", "aspect")]
        rows.append((name, f"{sizes['images']:,}", *spans))
    lines = _table(rows)
    if "padding" in values:
        height, width = values["suggested_resolution"]
        fitting = f"of inputs of this area {height}x{width} fits most images best"
        lines.append(f"{values['padding']:.0%} of the input is padding; {fitting}")
    return lines


def _span(ends: list | None) -> str:
    """Returns least, median and greatest as text."""
    if ends is None:
        return "-"
    low, middle, high = (f"{value:g}" for value in ends)
    return low if low == high else f"{low} .. {middle} .. {high}"


def _counts(head: dict[str, Any]) -> list[str]:
    """Returns lines with the frequency of each name, the most frequent first, and the
    spread of numbers."""
    lines = []
    total: Counter = Counter()
    for counts in head["counts"].values():
        total.update(counts)
    if total:
        lines += ["", f"{head['name']}, {head['unit']} of each:"]
        lines += _counted(head["counts"], [name for name, _ in total.most_common()])
    what = NUMBERS.get(head["unit"], "values")
    for name, ends in head["numbers"].items():
        if ends:
            lines.append(f"{what}, {name}: {_span(ends)}")
    return lines


def _counted(counts: dict[str, dict[str, int]], names: list[str]) -> list[str]:
    left_out = len(names) - SHOWN
    shown = [*names[: SHOWN - RAREST], *names[-RAREST:]] if left_out > 0 else names
    cells = [[f"{counts[of].get(name, 0):,}" for of in SETS] for name in shown]
    lines = _table(
        [("", *SETS), *((name[:40], *row) for name, row in zip(shown, cells))]
    )
    if left_out > 0:
        lines.insert(1 + SHOWN - RAREST, f"... {left_out} more")
    return lines


def _levels(head: dict[str, Any]) -> list[str]:
    objects = head.get("objects")
    if not objects:
        return []
    rows = [("level", "stride", "owns", "has a center in")]
    for level in objects["levels"]:
        rows.append(
            tuple(f"{level[k]:,}" for k in ("level", "stride", "owned", "reached"))
        )
    count = number_of(objects["count"], "object")
    lines = ["", f"{head['name']}, {count} of training by level:"]
    lines += _table(rows)
    lines.append(f"  by longer side: {RULE};")
    lines.append(f"  {FREE}")
    if objects["suggested_levels"]:
        bottom, top = objects["suggested_levels"]
        own = f"levels {bottom}..{top} own" if bottom < top else f"level {top} owns"
        lines.append(f"  {own} nearly all of them")
    return lines


def _told(finding: dict[str, Any]) -> list[str]:
    lines = ["", f"{finding['severity']}[{finding['code']}]: {finding['message']}"]
    lines += [f"    {file}" for file in finding["files"][:NAMED]]
    if len(finding["files"]) > NAMED:
        lines.append(f"    and {len(finding['files']) - NAMED} more")
    lines.append(f"  = help: {finding['help']}")
    for edit in finding["edits"]:
        lines.append(f"  = edit: set {edit['path']} to {_short(edit['value'])}")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
