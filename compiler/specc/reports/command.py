"""`specc report`: finds the code of a run, has it predict, and writes the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from specc.datasets.files import require
from specc.diagnostics import fail
from specc.differences.fields import flat
from specc.resources import PACKAGE
from specc.runs.charts import chart, density, scatter
from specc.runs.page import curves, write_page
from specc.runs.run import BEST, TRAIN, Run, read_run, say_left_out
from specc.words import clip, figure, listed

SCRIPT = Path(__file__).with_name("gather.py")
PAGE = "report.html"
MOST_NAMES = 30  # most categories of a matrix that is shown
SAME = 1e-3  # metrics that differ by less are those of best.pt


def report(
    run: Path, code: Path | None, output: Path | None, form: str, **options: Any
) -> int:
    """Writes the page. Raises JobError E405, E424, E446, E448, E452."""
    found = read_run(run)
    say_left_out(found)
    folder = _code(found, code)
    require("numpy", "cv2", "PIL", "yaml", "torch")
    if form == "text":
        click.echo(f"{run}: {folder}/evaluate.py predicts with {BEST}")
    facts = _gathered(found, folder, options)
    page = output or run / PAGE
    write_page(page, "reports/report.html.jinja", **_values(found, facts))
    told = _differences(found, facts, options["test"])
    for line in told:
        click.echo(line, err=True)
    if form == "json":
        places = {"run": str(run), "code": str(folder), "page": str(page)}
        click.echo(json.dumps(places | _summary(facts) | {"told": told}, indent=2))
    else:
        click.echo(f"wrote {page}")
    return 0


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    """Returns the figures of the page: of all images, and of each head's categories."""
    heads = {
        name: {key: one[key] for key in ("categories", "confusion")}
        for name, one in facts["heads"].items()
    }
    return {"images": facts["images"], "metrics": facts["metrics"], "heads": heads}


# ---- The code of the run ----


def _code(run: Run, given: Path | None) -> Path:
    """Returns the folder with the code of a run. Raises JobError E446."""
    name = run.job["name"]
    if given is not None:
        if not (given / "evaluate.py").is_file() or _heads(given) is None:
            message = (
                f"`{given}` is no folder of emitted code: it lacks evaluate.py or "
            )
            message += "a resolved.json that can be read"
            fail("E446", message, help="name a folder that `specc build` wrote")
        if _heads(given) != _heads_of(run.job):
            message = f"`{given}` is not the code of `{run.folder}`: its heads differ"
            help = "build the job of the run, and name its folder by --code"
            fail("E446", message, help=help)
        return given
    here = [Path("generated", name), Path(name), Path()]
    above = run.folder.absolute().parents
    here += [place / inner for place in above for inner in (f"generated/{name}", "")]
    for place in here:
        if (place / "evaluate.py").is_file() and _heads(place) == _heads_of(run.job):
            return place
    fail(
        "E446",
        f"the code of `{run.folder}` is not found: no folder with its heads is at "
        f"`generated/{name}`, at `{name}`, or above the run",
        help="name the folder that `specc build` wrote by --code",
    )


def _heads(folder: Path) -> dict[str, Any] | None:
    try:
        return _heads_of(json.loads((folder / "resolved.json").read_text("utf-8")))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _heads_of(job: dict[str, Any]) -> dict[str, Any]:
    heads = job["model"]["heads"]
    return {head["name"]: (head["task"], head.get("categories")) for head in heads}


# ---- What the code predicts ----


def _gathered(run: Run, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Returns the facts that gather.py finds. Raises JobError E452."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "facts.json"
        setup = options | {"root": str(options["root"])}
        setup |= {"folder": str(folder), "weights": str(run.folder / BEST)}
        paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, "-B", str(SCRIPT), json.dumps(setup), str(target)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        facts = json.loads(target.read_text("utf-8")) if target.exists() else {}
        if done.returncode == 0 and facts.keys() - {"refused"}:
            return facts
    said = facts["refused"] if facts else "\n".join(done.stderr.splitlines()[-1:])
    said = said.strip() or f"it ended with exit code {done.returncode}"
    first, *more = (line.strip()[:500] for line in said.splitlines())
    help = "mend what is named; --data names the root of the datasets"
    if changed := _changed(run, folder):
        note = f"the folder was built from another job than the run: {listed(changed)}"
        more = [note, *(clip(line, 100) for line in more)]
        help = f"build the job of the run, which its {BEST} holds, in a folder of its "
        help += "own, and name that by --code: specc explain E452"
    message = f"the predictions of `{folder}` could not be made: {first}"
    fail("E452", message, note="; ".join(more[:10]), help=help)


def _changed(run: Run, folder: Path) -> list[str]:
    """Returns the first fields by which the folder's model is not that of the run, as
    where the folder was built again since."""
    built = json.loads((folder / "resolved.json").read_text("utf-8"))
    before, now = (
        flat(job["model"] | {"heads": {x["name"]: x for x in job["model"]["heads"]}})
        for job in (run.job, built)
    )
    names = dict.fromkeys([*before, *now])
    return [f"/model{x}" for x in names if before.get(x) != now.get(x)][:3]


def _differences(run: Run, facts: dict[str, Any], test: bool) -> list[str]:
    """Returns a line for metrics that are not those of best.pt, if they should be."""
    if test:
        return []
    pairs = [(run.metrics.get(name), value) for name, value in facts["metrics"].items()]
    known = [(a, b) for a, b in pairs if a is not None]
    if all(abs(a - b) <= SAME * max(1, abs(a)) for a, b in known):
        return []
    text = (
        "metrics are not those of best.pt: the dataset or the code has changed since,"
    )
    text += " or the run was one of train.py --overfit"
    return [f"{run.folder}: {text}"]


# ---- The page ----


def _values(run: Run, facts: dict[str, Any]) -> dict[str, Any]:
    """Returns what the template shows."""
    names = dict.fromkeys([*facts["metrics"], *run.metrics])
    own, now = run.metrics, facts["metrics"]
    rows = [(name, _figure(now.get(name)), _figure(own.get(name))) for name in names]
    terms = run.series(TRAIN)
    losses = {name: points for name, points in terms.items() if "loss" in name}
    if len(losses) == 2:  # the only term is the loss itself
        losses.pop(max(losses, key=len))
    rates = {name: x for name, x in terms.items() if name == "learning_rate"}
    charts = [chart("loss", losses, log=True), *curves([run], [run.job["name"]])]
    charts.append(chart("learning rate", rates))
    seconds = run.state.get("elapsed_seconds")
    summary = {
        "run": str(run.folder),
        "chosen by": run.chosen_by,
        "best at iteration": run.best_iteration,
        "last iteration": run.rows[-1]["iteration"],
        "minutes of training": None if seconds is None else f"{seconds / 60:.1f}",
        "images judged": facts["images"],
    }
    return {
        "title": run.job["name"],
        "summary": {k: v for k, v in summary.items() if v is not None},
        "metrics": rows,
        "charts": [one for one in charts if one],
        "heads": [_head(name, one) for name, one in facts["heads"].items()],
    }


def _head(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Returns what the template shows of one head."""
    curve = chart(
        "precision over recall",
        facts["curves"],
        x_title="recall",
        x_range=(0, 1),
        y_range=(0, 1),
    )
    rows = [
        (category, [_figure(value) for value in row.values()])
        for category, row in facts["categories"].items()
    ]
    titles = next(iter(facts["categories"].values()), {})
    confusion = facts["confusion"]
    too_many = confusion and len(confusion["names"]) > MOST_NAMES
    return facts | {
        "name": name,
        "titles": [title.replace("_", " ") for title in titles],
        "rows": rows,
        "curve": curve,
        "plot": _plot(facts["plot"]),
        "confusion": None if too_many else _shaded(confusion),
        "confused": _confused(confusion) if too_many else [],
    }


def _plot(facts: dict[str, Any]) -> str:
    """Returns a chart of predictions over labels, where a head has them as numbers."""
    if points := facts.get("points"):
        return scatter("prediction over label", points, "label")
    if ends := facts.get("ends"):
        title = "predicted over true depth: shares of the pixels of each true depth"
        return density(title, ends, facts["shares"], "true depth")
    return ""


def _shaded(confusion: dict[str, Any] | None) -> dict[str, Any] | None:
    """Returns the matrix with a share for each count, of its row, for its color."""
    if confusion is None:
        return None
    rows = []
    for name, counts in zip(confusion["rows"], confusion["counts"]):
        total = max(1, sum(counts))
        rows.append((name, [(count, round(count / total, 3)) for count in counts]))
    return confusion | {"shaded": rows}


def _confused(confusion: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Returns the most frequent confusions of two categories."""
    names = confusion["names"]
    pairs = [
        (count, row, column)
        for row, counts in enumerate(confusion["counts"][: len(names)])
        for column, count in enumerate(counts[: len(names)])
        if row != column and count
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [(names[row], names[column], count) for count, row, column in pairs[:20]]


def _figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else figure(value)
