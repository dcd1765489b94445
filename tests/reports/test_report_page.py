"""`specc report`: a page on a run, whose predictions the folder's own code makes."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import head_jobs
import numpy as np
import pytest
import runs
import seeing
import torch
import yaml
from PIL import Image
from processes import python

from specc.cli import run_cli
from specc.reports.heads import (
    curve_of,
    facts_of,
    of_anomalies,
    of_classes,
    of_labels,
    thinned,
)
from specc.reports.pictures import Judged, beyond, chosen_of
from specc.reports.plots import density_of
from specc.resources import install
from specc.runs.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, density, scatter
from specc.runs.page import curves
from specc.scores.counts import Matches
from specc.scores.found import imported

NAMES = ("a", "<i>", "c")
PICTURE = re.compile(r'src="data:image/jpeg;base64,([^"]+)"')

# ---- Drawings ----


def test_a_reconstruction_has_the_scale_of_its_image():
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    made, below = 255 - image, np.vstack([image, image[:2]])
    assert (beyond(image, np.hstack([image, made])) == made).all()
    assert beyond(image, made) is made and beyond(image, below) is below
    other = np.hstack([made, image])
    assert beyond(image, other) is other


def test_no_image_is_among_the_worst_and_the_best():
    ones = [Judged(i, value, sure=i) for i, value in enumerate((0, 0, 0, 0, 0.5, 0.1))]
    chosen = chosen_of("ap", False, ones, 3)
    numbers = {title: [x.number for x in found] for title, found in chosen.items()}
    assert numbers == {"worst by ap": [3, 2, 1], "best by ap": [4, 5, 0]}
    errors = chosen_of("mae", True, ones, 1)
    assert [x.number for found in errors.values() for x in found] == [4, 3]


def test_images_that_are_all_alike_are_shown_once():
    ones = [Judged(i, 0.0, sure=i) for i in range(4)]
    (title, found), *more = chosen_of("ap", False, ones, 3).items()
    assert (title, more) == ("all alike by ap", [])
    assert [x.number for x in found] == [3, 2, 1]


# ---- What is said of a head ----


def test_classes_are_counted_by_what_they_were_taken_for():
    facts = of_classes([0, 0, 1, 2], ["x", "y", "y", "y"], ("x", "y", "z"))
    assert facts["confusion"]["counts"] == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    x, y, z = facts["categories"].values()
    assert (x["precision"], x["recall"], x["f1"]) == (1, 0.5, pytest.approx(2 / 3))
    assert (y["labeled"], y["found"], y["precision"]) == (1, 3, pytest.approx(1 / 3))
    assert (z["precision"], z["recall"], z["f1"]) == (None, 0, 0)


def test_labels_count_from_their_threshold_on():
    truth = [np.array([True, False]), np.array([True, True]), np.array([False, False])]
    scores = [{"x": 0.9, "y": 0.6}, {"x": 0.2, "y": 0.7}, {"x": 0.4, "y": 0.1}]
    facts = of_labels(truth, scores, least=0.5)
    x, y = facts["categories"].values()
    assert (x["precision"], x["recall"]) == (1, 0.5)
    assert (y["precision"], y["recall"]) == (0.5, 1)
    assert facts["curves"]["x"] == [(0.5, 1), (0.5, 0.5), (1, pytest.approx(2 / 3))]
    assert facts["curves"]["y"] == [(1, 1), (1, 0.5), (1, pytest.approx(1 / 3))]


def test_anomalies_are_two_classes_and_a_curve():
    found = [{"label": "anomalous", "score": 0.8}, {"label": "normal", "score": 0.3}]
    facts = of_anomalies([True, True], found)
    assert facts["confusion"]["counts"] == [[0, 0], [1, 1]]
    assert facts["curves"] == {"anomalous": [(0.5, 1), (1, 1)]}
    assert of_anomalies([False, False], found)["curves"] == {}


def test_equal_scores_are_taken_together():
    truth, scores = np.array([True, False, True]), np.array([0.5, 0.5, 0.25])
    assert curve_of(truth, scores) == [(0.5, 0.5), (1, pytest.approx(2 / 3))]
    long = [(x / 999, 1.0) for x in range(1000)]
    assert len(thinned(long)) == 200 and thinned(long)[::199] == long[::999]


def test_the_curve_of_a_category_by_hand():
    matches = Matches(
        scores=np.array([0.9, 0.8, 0.8, 0.4, 0.1]),
        found=np.array([0, 0, 1, 0, 0]),
        actual=np.array([0, -1, 1, 0, 1]),
        objects=np.array([4, 1]),
    )
    expected = [(0.25, 1), (0.25, 0.5), (0.5, 2 / 3), (0.5, 0.5)]
    np.testing.assert_allclose(matches.curve(0), expected)
    assert matches.curve(1) == [(1, 1)]
    none = Matches(matches.scores, matches.found, matches.actual, np.array([0, 1]))
    assert none.curve(0) == []


def test_predictions_stand_over_labels_beside_the_diagonal():
    page = scatter("p", [(0, 10), (10, 0), (5, math.nan)], "label")
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', page)
    right, low = WIDTH - RIGHT, HEIGHT - BOTTOM
    assert [tuple(map(float, dot)) for dot in dots] == [(LEFT, TOP), (right, low)]
    line = f'<line x1="{LEFT}.0" y1="{low}.0" x2="{right}.0" y2="{TOP}.0" stroke='
    assert page.count(line) == 1
    assert scatter("p", [], "label") == "" and "10000<" in scatter("p", [(1, 1e4)], "x")


def test_numbers_that_differ_by_decades_have_a_log_scale():
    page = scatter("p", [(1, 100), (100, 10_000)], "label")
    first, second = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', page)
    middle = [(LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2]
    assert [float(second[0]), float(first[1])] == middle


def test_depths_are_shares_of_the_pixels_of_each_true_depth():
    pairs = np.array([[0, 0], [0, 0], [0, 40], [40, 40], [20, np.nan]])
    facts = density_of(pairs)
    assert facts["ends"] == [*range(41)]
    shares = np.array(facts["shares"])
    assert (shares[0, 0], shares[0, 39], shares[39, 39]) == (0.667, 0.333, 1)
    assert np.count_nonzero(shares) == 3
    page = density("d", facts["ends"], facts["shares"], "true depth")
    opacities = re.findall(r'fill-opacity="([\d.]+)"', page)
    assert opacities == ["0.67", "0.33", "1.00"]
    assert page.count("<rect") == 3 and page.count("stroke-dasharray") == 1
    assert density_of(pairs[:2]) == density_of(pairs[4:]) == {}


def drawn_run(*names: str) -> SimpleNamespace:
    """Returns a run that logged these values in its validations."""
    rows = [
        {"iteration": i, "split": "validation"} | dict.fromkeys(names, 0.5)
        for i in (1, 2)
    ]
    return SimpleNamespace(
        chosen_by=names[0],
        series=lambda split: {x: [(y["iteration"], y[x]) for y in rows] for x in names},
    )


def test_categories_share_a_chart_of_one_run():
    """A metric of each of 20 categories is two charts, not twenty."""
    names = [f"map/iou/{x}" for x in "abcdefghijklmnopqrs"] + ["map/iou/t/u"]
    run = drawn_run("map/mean_iou", *names)
    charts = [str(x) for x in curves([run], ["run"])]
    titles = [re.search(r"<b>(.*?)</b>", x)[1] for x in charts]
    assert titles == [
        "validation: map/mean_iou",
        "validation: map/iou (1 of 2)",
        "validation: map/iou (2 of 2)",
    ]
    assert [x.count("<polyline") for x in charts] == [1, 14, 6]
    assert "<title>t/u</title>" in charts[2]
    assert len(curves([run, run], ["one", "two"])) == 21  # a curve a run


def test_categories_of_maps_have_the_colors_of_their_drawings():
    """Only by its color is a category known in the drawing of a map."""
    names, colors = ["sky", "road"], [[1, 2, 3], [4, 5, 6]]
    found = SimpleNamespace(
        heads={"map": tuple(names)},
        of_segments=(),
        words=[{}],
        samples=[SimpleNamespace(labels={"map": np.zeros((2, 2), int)})],
        evidence=[{"map": np.zeros((2, 2), int)}],
        score=lambda samples, evidence: {"map/mean_iou": 1.0, "map/iou/sky": 1.0},
    )
    head = {"name": "map", "categories": names, "colors": colors}
    facts = facts_of(found, head, None)
    assert facts["categories"] == {"sky": {"iou": 1.0}}
    assert facts["colors"] == {"sky": [1, 2, 3], "road": [4, 5, 6]}


def test_a_package_is_imported_by_its_name(place):
    Path("vendored").mkdir()
    Path("vendored/__init__.py").write_text("")
    Path("vendored/model.py").write_text("NUMBER = 7\n")
    Path("vendored/evaluate.py").write_text("from .model import NUMBER\n")
    assert imported(Path("vendored"), "evaluate").NUMBER == 7


# ---- The page ----


@pytest.fixture
def run(place) -> Path:
    """A run of the detector that sees an `a` in each quarter of two images."""
    folder = seeing.write(place, NAMES)
    output = place / "runs" / "t"
    output.mkdir(parents=True)
    best = torch.load(place / "best.pt", weights_only=True)
    metrics = {"cells/ap": 0.25, "cells/ap50": 0.375}
    torch.save(best | {"metrics": metrics}, output / "best.pt")
    rows = [
        {"iteration": i, "split": "train"}
        | dict.fromkeys(("loss", "cells/loss/x"), 9 - i)
        for i in range(1, 9)
    ]
    rows.append({"iteration": 8, "split": "validation"} | metrics)
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (output / "metrics.jsonl").write_text(text)
    folder.rename(place / "t")
    return output


@pytest.mark.slow
def test_the_page_of_a_detector(run):
    code = "import sys; from specc.cli import run_cli; code = run_cli(sys.argv[1:]);"
    code += " assert not {'torch', 'cv2'} & {*sys.modules}; sys.exit(code)"
    words = ["report", "runs/t", "--workers", "0", "--images", "1", "--format", "json"]
    done = python("-c", code, *words, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["page"], told["code"]) == ("runs/t/report.html", "t")
    head = told["heads"]["cells"]
    assert (told["images"], head["categories"]["a"]["precision"]) == (2, 0.375)
    # What is measured is not what best.pt says here.
    assert "metrics are not those of best.pt" in told["told"][0]
    assert told["told"][0] in done.stderr
    page = (run / "report.html").read_text("utf-8")
    assert not re.search(r"https?:|<script|@import|url\(|<link|src=\"(?!data:)", page)
    # Of 8 predictions, all `a`: 3 are right, 1 is an `<i>`, and 4 find nothing.
    cells = re.findall(r'<td class="cell"[^>]*>(\d+)</td>', page)
    assert [*map(int, cells)] == [3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]
    # The loss has one term, which is the loss; pictures say what they show.
    assert "cells/loss/x" not in page and ">loss</b>" in page
    assert 'alt="label: set/val/images/0.png"' in page
    assert "predictions that find no object" in page  # explains "in vain"
    assert "<i>" not in page and page.count("<td>&lt;i&gt;</td>") == 2
    assert "<tr><td>a</td><td>3</td>" in page
    assert "<td>0.375</td><td>1</td><td>0.5455</td></tr>" in page  # precision, ..., F1
    # All scores are equal: how their order falls decides which image is the worse.
    names = re.findall(r"<figcaption><b>(.*?\.png)</b> ap ([\d.]+)<", page)
    assert {name for name, _ in names} == {f"set/val/images/{i}.png" for i in (0, 1)}
    assert 0 < float(names[0][1]) < float(names[1][1]) <= 1
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))
        for code in PICTURE.findall(page)
    ]
    assert len(pictures) == 4 and len({one.shape for one in pictures}) == 1
    label, prediction = pictures[:2]  # one box, and four
    assert np.abs(label.astype(int) - prediction).max() > 50
    # A report that cannot be made leaves the one of before.
    (run.parents[1] / "set/val/metadata.yaml").unlink()
    assert run_cli(words) == 1
    assert (run / "report.html").read_text("utf-8") == page


@pytest.mark.slow
def test_a_dataset_that_is_not_there_is_told(run, capsys):
    assert run_cli(["report", "runs/t", "--data", "elsewhere", "--workers", "0"]) == 1
    said = capsys.readouterr().err
    assert said.count("error[E452]: the predictions of `t` could not be made") == 1
    assert "elsewhere/set/val" in said and "Traceback" not in said
    assert not (run / "report.html").exists()


@pytest.mark.slow
def test_all_lines_of_a_refusal_are_told(run, capsys):
    """The last line alone, one of several objects, says neither of what nor how many."""
    labels = yaml.safe_load(Path("set/val/labels.yaml").read_text())
    for objects in labels.values():
        objects[0]["bbox"] = [1, 2]
    Path("set/val/labels.yaml").write_text(yaml.safe_dump(labels))
    assert run_cli(["report", "runs/t", "--workers", "0"]) == 1
    first, note, *_ = capsys.readouterr().err.splitlines()
    assert "error[E452]: the predictions of `t` could not be made: " in first
    assert "set/val: problems: 2" in first and note.count("four numbers") == 2


def test_a_missing_package_names_its_extra(run, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run_cli(["report", "runs/t"]) == 1
    said = capsys.readouterr().err
    assert "error[E424]: " in said and install("train") in said


def test_a_run_without_its_code_or_with_another_is_told(run, capsys):
    place = run.parents[1]
    (place / "t").rename(place / "moved")
    assert run_cli(["report", "runs/t"]) == 1
    assert "error[E446]: the code of `runs/t` is not found" in capsys.readouterr().err
    assert run_cli(["report", "runs/t", "--code", "runs"]) == 1
    assert "error[E446]: `runs` is no folder of emitted code" in capsys.readouterr().err
    resolved = place / "moved/resolved.json"
    resolved.write_text(resolved.read_text().replace('"cells"', '"others"'))
    assert run_cli(["report", "runs/t", "--code", "moved"]) == 1
    said = capsys.readouterr().err
    assert "error[E446]: `moved` is not the code of `runs/t`: its heads differ" in said


@pytest.mark.slow
def test_a_folder_that_was_built_again_since_is_told(run, capsys):
    """Weights of another model say nothing of what has changed."""
    resolved = run.parents[1] / "t/resolved.json"
    job = json.loads(resolved.read_text())
    job["model"]["backbone"]["name"] = "resnet50"
    resolved.write_text(json.dumps(job))
    model = run.parents[1] / "t/model.py"
    model.write_text(model.read_text().replace("class Detector", "class Other"))
    assert run_cli(["report", "runs/t", "--workers", "0"]) == 1
    said = capsys.readouterr().err
    note = "note: the folder was built from another job than the run: "
    assert f"{note}/model/backbone/name" in said and "specc explain E452" in said
    assert "--data names" not in said


def test_a_log_that_is_cut_short_is_told(run, capsys):
    log = run / "metrics.jsonl"
    log.write_text(log.read_text() + '{"iteration": 3, "spl')
    assert run_cli(["report", "runs/t", "--code", "gone"]) == 1
    said = capsys.readouterr().err
    assert "runs/t: metrics.jsonl: a line cut short, left out\n" in said


def test_a_run_half_written_and_a_score_of_two(run, capsys):
    assert run_cli(["report", "runs/t", "--min-score", "2"]) == 1
    assert "Invalid value for '--min-score': 2" in capsys.readouterr().err
    (run / "best.pt").unlink()
    assert run_cli(["report", "runs/t"]) == 1
    assert "error[E448]" in capsys.readouterr().err
    assert run_cli(["report", "runs/gone"]) == 1
    assert "error[E448]: there is no folder `runs/gone`" in capsys.readouterr().err


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("reports")


NUMBERS = {  # tasks that predict numbers -> marks of their plot in the page
    "regression": r"<b>prediction over label</b>.*?<circle",
    "depth_estimation": r"<b>predicted over true depth.*?<rect",
}


@pytest.mark.sample(*NUMBERS)
@pytest.mark.parametrize("task", head_jobs.JOBS)
def test_every_head_has_a_report(world, task, monkeypatch):
    monkeypatch.chdir(world)
    drawn = head_jobs.JOBS[task].drawn
    if not (world / drawn).exists():
        head_jobs.draw(drawn, world / drawn)
    folder = head_jobs.make(world / task.replace("_", "-"), task)
    output = world / "runs" / folder.name
    runs.train(folder, output)
    assert run_cli(["report", str(output), "--workers", "0", "--images", "2"]) == 0
    page = (output / "report.html").read_text("utf-8")
    assert len(PICTURE.findall(page)) >= 4
    for one, mark in NUMBERS.items():
        assert bool(re.search(mark, page)) == (task == one)
    # The scripts measure now what they measured in training.
    cells = "".join(rf"<td>{cell}</td>" for cell in ("[^<]+/[^<]+", "(.*?)", "(.*?)"))
    rows = re.findall(f"<tr>{cells}</tr>", page)
    assert rows
    for now, then in rows:
        assert float(now) == pytest.approx(float(then), rel=1e-2, abs=1e-3)
