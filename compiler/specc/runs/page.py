"""Pages of one HTML file: no network, no script, each text escaped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from specc.diagnostics import fail
from specc.resources import read_text
from specc.runs.charts import Points, chart
from specc.runs.run import VALIDATION, Run

CURVES = 14  # most curves of a chart: two lines of each color


def write_page(path: Path, template: str, **values: Any) -> None:
    """Fills in a template of a room, `runs/compare.html.jinja`, and replaces the file
    once all of it is written. Raises JobError E405."""
    environment = Environment(
        loader=FunctionLoader(read_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(values)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, "utf-8", errors="backslashreplace")
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        reason = (error.strerror or str(error)).lower()
        help = "name a file that can be written"
        fail("E405", f"cannot write `{path}`: {reason}", help=help)


def curves(runs: Sequence[Run], names: Sequence[str]) -> list[Markup]:
    """Returns charts of each metric of validations, a curve a run; those that choose
    best.pt first. Of one run a chart shows a metric of all categories, each a curve."""
    chosen = dict.fromkeys(run.chosen_by for run in runs)
    logged = dict.fromkeys(name for run in runs for name in run.series(VALIDATION))
    charts, grouped = [], {}
    for metric in chosen | logged:
        of_each = of_runs(runs, names, VALIDATION, metric)
        head, *kind = metric.split("/", 2)
        if len(kind) == 2 and len(runs) == 1:
            (points,) = of_each.values()
            grouped.setdefault(f"{head}/{kind[0]}", {})[kind[1]] = points
            continue
        charts.append(chart(f"validation: {metric}", of_each))
    for kind, series in grouped.items():
        charts += _in_parts(f"validation: {kind}", series)
    return [one for one in charts if one]


def _in_parts(title: str, series: dict[str, Points]) -> list[Markup]:
    """Returns charts of at most CURVES curves each."""
    items = list(series.items())
    parts = [dict(items[i : i + CURVES]) for i in range(0, len(items), CURVES)]
    many = len(parts) > 1
    return [
        chart(f"{title} ({number} of {len(parts)})" if many else title, part)
        for number, part in enumerate(parts, 1)
    ]


def of_runs(
    runs: Sequence[Run], names: Sequence[str], split: str, value: str
) -> dict[str, Points]:
    """Returns the points of one value that is logged, by the names of runs."""
    return {name: run.series(split).get(value, []) for name, run in zip(names, runs)}
