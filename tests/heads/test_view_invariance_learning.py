"""View invariance: the emitted loss and metrics, two views of an image, and runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import CLASSES, NAMES, compile_raw, load, load_all, make
from runs import checkpoint, rows, run, train
from runs import make as make_run
from small_data import native, picture

from specc.diagnostics import JobError
from specc.shapes.scene import BACKGROUNDS

VIEWS = {"name": "views", "task": "view_invariance_learning", "projection_size": 16}
STRONG = {"augmentation": {"scale": 0.5, "color": 0.5}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    head = VIEWS | {"categories": NAMES}
    return make(tmp_path_factory.mktemp("views"), [head])


@pytest.fixture(scope="module")
def model(folder):
    return load(folder / "model.py")


# ---- The loss ----


def terms_of(model, projections) -> dict[str, float]:
    projections = torch.as_tensor(projections, dtype=torch.float32).requires_grad_()
    terms = model.view_loss(model.Views(torch.zeros(len(projections), 4), projections))
    sum(terms.values()).backward()
    assert projections.grad.isfinite().all()
    return {name: term.item() for name, term in terms.items()}


def test_views_of_one_image_follow_each_other(model):
    apart = [[0.0, 1.0], [0.0, 3.0], [5.0, 1.0], [5.0, 3.0]]
    assert terms_of(model, apart)["invariance"] == pytest.approx(25 * 4 / 2)
    alike = [[0.0, 1.0], [0.0, 1.0], [5.0, 3.0], [5.0, 3.0]]
    assert terms_of(model, alike)["invariance"] == 0


def test_images_that_are_all_the_same_cost_the_most(model):
    collapsed = terms_of(model, [[2.0, -1.0]] * 8)
    assert collapsed["variance"] == pytest.approx(25 * (1 - 0.01), rel=1e-4)
    assert collapsed["invariance"] == collapsed["covariance"] == 0
    spread = terms_of(model, np.repeat([[3.0, 3], [3, -3], [-3, 3], [-3, -3]], 2, 0))
    assert sum(spread.values()) == 0


@pytest.mark.parametrize("images", [1, 2, 4, 7])
def test_terms_by_hand(model, images):
    """Deviations are around one, and others in each view; variances are those of the
    images themselves, covariances those that they are drawn from."""
    rng = np.random.default_rng(images)
    scale = np.linspace(0.1, 1.6, 5)
    views = rng.standard_normal((images, 2, 5)) * [scale, scale[::-1]] + 3
    variance = covariance = 0
    for view in views.transpose(1, 0, 2):
        deviations = np.sqrt(view.var(0) + 1e-4)
        variance += sum(max(0, 1 - x) for x in deviations) / 5
        if images > 1:
            moments = np.cov(view.T)
            pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
            covariance += sum(moments[pair] ** 2 for pair in pairs) / 5
    wanted = {
        "invariance": 25 * ((views[:, 0] - views[:, 1]) ** 2).mean(),
        "variance": 25 * variance / 2,
        "covariance": covariance,
    }
    found = terms_of(model, views.reshape(2 * images, 5))
    assert found == pytest.approx(wanted, rel=1e-4)


def test_numbers_that_tell_the_same_cost(model):
    """Covariances of both views, 4/3 * 9 off the diagonal, twice, over two numbers."""
    found = terms_of(model, np.repeat([[3.0, 3], [3, 3], [-3, -3], [-3, -3]], 2, 0))
    assert found["covariance"] == pytest.approx(2 * 2 * 12.0**2 / 2)


def test_a_batch_of_one_image_has_a_finite_loss(model):
    assert all(math.isfinite(x) for x in terms_of(model, [[1.0, 2], [1, 3]]).values())


# ---- Views ----


@pytest.fixture
def views(emitted, tmp_path):
    """The data.py of a job with another head, and three images in its dataset."""
    modules = emitted(VIEWS, CLASSES, validation="val", **STRONG)
    native(
        tmp_path,
        {f"{i}.png": name for i, name in enumerate(NAMES)},
        "multiclass classification",
    )
    return modules.data, modules.dataset.read_dataset(tmp_path)


def test_a_batch_holds_two_views_of_each_image(views):
    data, samples = views
    batches = iter(data.training_batches(samples, 0, 0, 0, 1, 0))
    images, targets = next(batches)
    assert images.shape == (8, 3, 64, 96)  # two views of four images
    categories = targets["kind"]["category"]
    assert torch.equal(categories[0::2], categories[1::2])
    assert not any(
        torch.equal(one, other) for one, other in zip(images[::2], images[1::2])
    )
    again, _ = next(iter(data.training_batches(samples, 0, 0, 0, 1, 0)))
    assert torch.equal(images, again)


def test_both_views_of_a_broken_image_are_of_the_same_other_one(views):
    data, samples = views
    samples[0].path.write_bytes(samples[0].path.read_bytes()[:60])
    keys = [(epoch, 0, view) for epoch in range(8) for view in (0, 1)]
    training = data.TrainingSet(samples, 0)
    _, targets, broken = data.collate([training[key] for key in keys])
    chosen, labeled = targets["kind"]["category"], targets["kind"]["labeled"]
    assert torch.equal(chosen[0::2], chosen[1::2])
    assert set(chosen[labeled].tolist()) == {1, 2}  # the others train views alone
    assert len(broken) >= 16  # the broken one may be chosen again


def test_validation_is_letterboxed_and_its_views_are_always_the_same(views):
    data, samples = views
    plain, seen = data.ValidationSet(samples, False), data.ValidationSet(samples, True)
    assert torch.equal(
        plain[1], torch.from_numpy(data.letterbox(samples[1])).permute(2, 0, 1)
    )
    assert not torch.equal(plain[1], seen[1])
    # A process that has another share of the images makes the same views of them.
    assert torch.equal(seen[1], data.ValidationSet(samples[1:], True)[0])


# ---- Metrics ----


@pytest.fixture(scope="module")
def evaluate(folder):
    return load_all(folder, "evaluate").evaluate


def found_at(angles, moved=0.0, length=1.0):
    return [
        {
            "representation": [length * math.cos(a), length * math.sin(a)],
            "view": [math.cos(a + moved), math.sin(a + moved)],
        }
        for a in angles
    ]


@pytest.mark.parametrize("length", [7.0, 1e-3])
def test_alignment_and_uniformity_are_those_of_the_paper(evaluate, length):
    """Both measure directions: how long representations are does not matter."""
    found = evaluate.view_metrics(found_at([0.0, math.pi], moved=0.5, length=length))
    assert found["alignment"] == pytest.approx(2 - 2 * math.cos(0.5), rel=1e-5)
    assert found["uniformity"] == pytest.approx(-2 * 4, rel=1e-4)  # squared distance 4
    same = evaluate.view_metrics(found_at([1.0] * 5))
    assert same == pytest.approx({"alignment": 0, "uniformity": 0}, abs=1e-5)
    alone = evaluate.view_metrics(found_at([1.0]))
    assert alone == pytest.approx({"alignment": 0}, abs=1e-5)  # near no other image


def test_uniformity_counts_every_pair_of_many_images_once(evaluate):
    """In blocks of images, against all pairs at once."""
    vectors = np.random.default_rng(0).normal(size=(1103, 3))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = np.exp(-2 * ((units[:, None] - units) ** 2).sum(2))
    pairs = len(vectors) * (len(vectors) - 1)
    found = [{"representation": x, "view": x} for x in vectors.tolist()]
    expected = math.log((near.sum() - len(vectors)) / pairs)
    found = evaluate.view_metrics(found)["uniformity"]
    assert found == pytest.approx(expected, abs=1e-5)


def test_neighbors_vote_without_the_image_itself(evaluate):
    def accuracy(truth, angles):
        return evaluate.knn_accuracy(truth, found_at(angles), torch.device("cpu"))

    assert accuracy([0, 0, 1, 1], [0, 0.1, 2.0, 2.1]) == 1
    assert accuracy([0, 1, 0, 1], [0, 0.1, 2.0, 2.1]) == 0
    assert accuracy([0], [0]) == 0


def test_the_twenty_nearest_vote_the_nearer_the_louder(evaluate):
    """In two blocks, against a sum of votes for each image alone."""
    rng = np.random.default_rng(0)
    truth, vectors = rng.integers(0, 3, 1100), rng.normal(size=(1100, 4))
    vectors += 1.5 * np.eye(3, 4)[truth]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    right = 0
    for number, cosines in enumerate(units @ units.T):
        cosines[number] = -2
        votes = np.zeros(3)
        for other in np.argsort(-cosines)[:20]:
            votes[truth[other]] += math.exp(cosines[other] / 0.07)
        right += votes.argmax() == truth[number]
    found = [{"representation": list(vector)} for vector in vectors]
    accuracy = evaluate.knn_accuracy(truth.tolist(), found, torch.device("cpu"))
    assert accuracy == pytest.approx(right / 1100, abs=1e-9) and 0.5 < accuracy < 1


# ---- Jobs ----


def job_of(head: dict, **trainer) -> bytes:
    job = {
        "name": "views",
        "data": {"train": "train"} | STRONG,
        "model": {"heads": [head]},
        "trainer": trainer,
    }
    return json.dumps(job).encode()


def test_the_best_weights_are_chosen_by_what_can_be_measured():
    plain = compile_raw(job_of(VIEWS)).files["train.py"]
    assert "BEST = 'views/uniformity'" in plain and "if not score >= best:" in plain
    labeled = compile_raw(job_of(VIEWS | {"categories": ["a", "b"]})).files["train.py"]
    assert "BEST = 'views/knn_accuracy'" in labeled
    with pytest.raises(JobError) as caught:
        compile_raw(job_of(VIEWS, best="views/knn_accuracy"))
    (finding,) = caught.value.diagnostics
    assert finding.code == "E303" and "uniformity" in finding.note


# ---- Runs ----


@pytest.fixture(scope="module")
def job(world) -> Path:
    head = VIEWS | {"categories": list(BACKGROUNDS)}
    small = {"batch_size": 8, "validations": 1, "backbone": {"top_level": 3}}
    fast = {"kind": "adamw", "learning_rate": 0.003}
    return make_run(world / "views", head, data=STRONG, optimizer=fast, **small)


@pytest.fixture(scope="module")
def output(job) -> Path:
    train(job, job.parent / "runs" / "views")
    return job.parent / "runs" / "views"


@pytest.mark.soak
def test_training_learns(output):
    losses = [row["loss"] for row in rows(output) if row["split"] == "train"]
    assert losses[-1] < 0.9 * losses[0] and losses == sorted(losses, reverse=True)
    found = [row for row in rows(output) if row["split"] == "validation"]
    assert all(0 <= row["views/knn_accuracy"] <= 1 for row in found)
    assert all(
        0 < row["views/alignment"] < 4 > 0 >= row["views/uniformity"] for row in found
    )
    assert cv2.imread(str(output / "predictions.png")).std() > 10


@pytest.mark.soak
def test_a_new_process_finds_the_same(output, job, world, tmp_path):
    flags = ("--weights", output / "best.pt")
    done = run(job, "evaluate.py", *flags, "--data", world)
    best = checkpoint(output / "best.pt")["metrics"]
    assert json.loads(done.stdout) == pytest.approx(best, abs=1e-5)
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    run(job, "predict.py", *flags, "--output", tmp_path / "out", tmp_path / "a.png")
    report = json.loads((tmp_path / "out" / "predictions.json").read_text())
    (words,) = [one["views"] for one in report.values()]
    assert list(words) == ["representation"] and len(words["representation"]) == 128
