"""`specc demo`: what it runs, where it goes on, and how it stops."""

import json
from functools import partial
from types import SimpleNamespace

import cv2
import pytest
import yaml
from emitted_jobs import compile_raw

from specc.build import analyze
from specc.commands import demo
from specc.commands.demo import DemoError
from specc.shapes.dataset import draw_dataset

TRAIN = """
import json, pathlib, sys
runs = pathlib.Path("runs/shapes")
runs.mkdir(parents=True, exist_ok=True)
assert pathlib.Path("data/train/metadata.yaml").exists()
with open(runs / "calls.txt", "a") as file:
    print(*sys.argv[1:], file=file)
lines = [{"split": "train", "loss": 1}, {"split": "validation", "shapes/ap50": AP50}]
(runs / "metrics.jsonl").write_text("\\n".join(json.dumps(line) for line in lines))
(runs / "best.pt").touch()
"""
PREDICT = """
import pathlib, sys
weights, output, *images = sys.argv[2], sys.argv[4], *sys.argv[5:]
assert pathlib.Path(weights).exists() and len(images) == 8
assert all(pathlib.Path(image).exists() for image in images)
pathlib.Path(output).mkdir(exist_ok=True)
"""


@pytest.fixture
def few_shapes(monkeypatch):
    few = partial(draw_dataset, validation=8)
    monkeypatch.setattr(demo, "TRAINING_IMAGES", 8)
    monkeypatch.setattr("specc.shapes.dataset.draw_dataset", few)


@pytest.fixture
def scripts(few_shapes, monkeypatch):
    """Stands in for the emitted code: what the demo does with it is at stake here."""
    files = {"train.py": TRAIN.replace("AP50", "0.95"), "predict.py": PREDICT}

    def compile_job(data, extras):
        job, _, _ = analyze(data)
        return SimpleNamespace(job=job, files=files)

    monkeypatch.setattr(demo, "compile_job", compile_job)
    return files


@pytest.mark.slow
def test_the_demo_draws_builds_trains_and_predicts(scripts, tmp_path, capfd):
    folder = tmp_path / "demo"
    demo.run(folder)
    assert (folder / "shapes" / "train.py").read_text() == scripts["train.py"]
    assert (folder / "runs" / "shapes" / "drawn").is_dir()
    shown = capfd.readouterr().out
    assert "$ python shapes/train.py --output runs/shapes --resume\n" in shown
    assert "AP50 0.95 on held-out images" in shown
    assert str(folder / "runs" / "shapes" / "predictions.png") in shown


@pytest.mark.slow
def test_a_second_run_goes_on_in_the_folder(scripts, tmp_path):
    demo.run(tmp_path, iterations=3)
    drawn = (tmp_path / "data" / "train" / "boxes.yaml").stat().st_mtime_ns
    demo.run(tmp_path, iterations=5)
    assert (tmp_path / "data" / "train" / "boxes.yaml").stat().st_mtime_ns == drawn
    assert (tmp_path / "runs" / "shapes" / "calls.txt").read_text().splitlines() == [
        "--output runs/shapes --resume any --max-iterations 3",
        "--output runs/shapes --resume any --max-iterations 5",
    ]


@pytest.mark.slow
def test_a_users_job_is_kept(scripts, tmp_path):
    demo.run(tmp_path)
    job = tmp_path / "shapes" / "job.json"
    edited = job.read_text().replace('"batch_size": 8', '"batch_size": 4')
    job.write_text(edited)
    demo.run(tmp_path)
    assert job.read_text() == edited


@pytest.mark.slow
def test_a_job_edited_wrong_is_reported(scripts, tmp_path, capsys):
    demo.run(tmp_path)
    job = tmp_path / "shapes" / "job.json"
    job.write_text(job.read_text().replace('"batch_size": 8', '"batch_size": "8"'))
    with pytest.raises(DemoError, match="mend .*job.json, or delete it"):
        demo.run(tmp_path)
    assert "error[E" in capsys.readouterr().err


@pytest.mark.slow
def test_a_metric_below_expectation_fails_unless_the_run_was_cut(scripts, tmp_path):
    scripts["train.py"] = TRAIN.replace("AP50", "0.89")
    demo.run(tmp_path, iterations=2)
    with pytest.raises(DemoError, match="AP50 is 0.89, expected is 0.9 or more"):
        demo.run(tmp_path)


@pytest.mark.slow
def test_a_script_that_fails_ends_the_demo(scripts, tmp_path):
    scripts["train.py"] = "raise SystemExit(3)\n"
    with pytest.raises(DemoError, match="train.py ended with exit code 3") as caught:
        demo.run(tmp_path)
    assert f"to train afresh: delete {tmp_path / 'runs'}" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("raise SystemExit(130)", 130),
        ("raise SystemExit(143)", 143),
        # While it still imports, it has no handlers of its own.
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_a_stop_ends_the_demo_with_the_same_code(
    scripts, tmp_path, capsys, ending, code
):
    scripts["train.py"] = f"{ending}\n"
    with pytest.raises(SystemExit) as caught:
        demo.run(tmp_path)
    assert caught.value.code == code
    assert "the same command again goes on" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stop_of_the_demo_reaches_the_script(scripts, tmp_path):
    """Sent to the demo alone, as `kill` does it."""
    scripts["train.py"] = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
time.sleep(0.5)
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(60)
"""
    with pytest.raises(SystemExit) as caught:
        demo.run(tmp_path)
    assert caught.value.code == 143


def test_a_folder_of_others_is_refused_untouched(scripts, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DemoError, match="holds other files"):
        demo.run(tmp_path)
    with pytest.raises(DemoError, match="is a file"):
        demo.run(tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_missing_packages_are_all_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        demo, "NEEDED", {"no_such_a": "a", "json": "j", "no_such_b": "b"}
    )
    with pytest.raises(DemoError, match=r"lacks a, b; .*\[train\]"):
        demo.run(tmp_path)


def test_a_run_without_validation_is_an_error(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"split": "train", "shapes/ap50": 1.0}))
    with pytest.raises(DemoError, match="no validation with `shapes/ap50`"):
        demo.read_metric(path, "shapes/ap50")


@pytest.mark.slow
def test_the_demo_runs_the_code_that_is_emitted(
    few_shapes, tmp_path, capfd, monkeypatch
):
    """Short of learning: a step, and all its pictures."""
    monkeypatch.setattr(demo, "compile_job", compile_raw)
    demo.run(tmp_path, iterations=1)
    runs = tmp_path / "runs" / "shapes"
    rows = [json.loads(line) for line in (runs / "metrics.jsonl").open()]
    assert [r["iteration"] for r in rows if r["split"] == "validation"] == [1]
    assert (runs / "best.pt").stat().st_size > 10_000_000
    for picture in ("predictions.png", "curves.png", "drawn/shapes_00007.png"):
        assert cv2.imread(str(runs / picture)) is not None, picture
    assert json.loads((runs / "drawn" / "predictions.json").read_text())
    shown = capfd.readouterr().out
    assert "predictions.json: runs/shapes/drawn" in shown and "AP50 0." in shown


@pytest.mark.slow
def test_the_job_and_the_dataset_agree(scripts, tmp_path):
    demo.run(tmp_path)
    job, _, findings = analyze((tmp_path / "shapes" / "job.json").read_bytes())
    assert findings == []
    for folder in (job.data.train, job.data.validation):
        text = (tmp_path / folder / "metadata.yaml").read_text()
        assert yaml.safe_load(text)[0]["categories"] == list(job.heads[0].categories)
