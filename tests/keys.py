"""Names that outlive a build: those that other programs, checkpoints and people rely on.

    PYTHONPATH=compiler python tests/keys.py        records them in keys.json

test_keys.py and heads/test_behaviors.py compare what a build and a run give with what is
recorded. A name that changes is recorded anew in the commit that changes it, which also
says so in CHANGELOG.md. Recording trains the small job of each head: a minute.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import head_jobs
import runs
import torch
from emitted_jobs import GENERATED, compile_raw, load, write

RECORDED = Path(__file__).with_suffix(".json")
EXAMPLES = sorted(path.parent.name for path in GENERATED.glob("*/job.json"))


def recorded() -> dict[str, dict]:
    return json.loads(RECORDED.read_text())


def of_example(name: str, folder: Path) -> dict[str, object]:
    """Names in the resolved job of an example, and of its weights by their modules."""
    compiled = compile_raw((GENERATED / name / "job.json").read_bytes())
    write(compiled, folder)
    with torch.device("meta"):
        model = getattr(load(folder / "model.py"), compiled.model_class)()
    weights: dict[str, list[str]] = {}
    for key in model.state_dict():
        module, _, weight = key.rpartition(".")
        weights.setdefault(module, []).append(weight)
    resolved = json.loads((folder / "resolved.json").read_text())
    return {
        "resolved.json": paths(resolved),
        "weights": {module: " ".join(names) for module, names in weights.items()},
    }


def of_run(output: Path) -> dict[str, object]:
    """Names in metrics.jsonl and best.pt, and what a run is known by: its data, ..."""
    columns = {"train": set(), "validation": set()}
    for row in runs.rows(output):
        columns[row["split"]] |= row.keys()
    return {
        "metrics.jsonl": {split: sorted(names) for split, names in columns.items()},
        "best.pt": sorted(runs.checkpoint(output / "best.pt")),
        "run": runs.checkpoint(output / "last.pt")["run"],
    }


def of_predictions(report: dict[str, object]) -> list[str]:
    """Names in predictions.json, of all images together."""
    return sorted({path for found in report.values() for path in paths(found)})


def paths(value: object, place: str = "") -> list[str]:
    """Paths of all values, each once: "model/heads[]/name". What is empty counts."""
    if isinstance(value, dict):
        items = [(f"{place}/{key}".lstrip("/"), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{place}[]", item) for item in value]
    else:
        items = []
    if not items:
        return [place]
    return sorted({path for inner, item in items for path in paths(item, inner)})


def predict(job: Path, task: str, output: Path) -> dict[str, object]:
    """The predictions of a trained small job for three validation images."""
    weights = ("--weights", job.parent / "runs" / job.name / "best.pt")
    images = head_jobs.images(job.parent, task)
    runs.run(job, "predict.py", *weights, "--output", output, *images)
    return json.loads((output / "predictions.json").read_text())


def record(place: Path) -> dict[str, dict]:
    """Builds all examples and trains all small jobs in an empty folder."""
    found = {"examples": {}, "heads": {}}
    for name in EXAMPLES:
        folder = place / "examples" / name
        folder.mkdir(parents=True)
        found["examples"][name] = of_example(name, folder)
    for task in head_jobs.JOBS:
        drawn = head_jobs.JOBS[task].drawn
        if not (place / drawn).exists():
            head_jobs.draw(drawn, place / drawn)
        job = head_jobs.make(place / task.replace("_", "-"), task)
        runs.train(job, f"runs/{job.name}")
        report = predict(job, task, place / f"{job.name}-found")
        found["heads"][task] = of_run(place / "runs" / job.name)
        found["heads"][task]["predictions.json"] = of_predictions(report)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        text = json.dumps(record(Path(place)), indent=1)
    RECORDED.write_text(f"{text}\n")
