"""Metric learning: the emitted loss, metrics and reader, and runs in new processes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import load, load_all, make
from runs import checkpoint, rows, run, train
from runs import make as make_run
from small_data import native

from specc.shapes.scene import BACKGROUNDS

KNOWN = ("a", "b", "no")
FACES = {"name": "face", "task": "metric_learning", "identities": KNOWN}
GROUND = {
    "name": "ground",
    "task": "metric_learning",
    "identities": list(BACKGROUNDS),
    "embedding_size": 16,
}
METRICS = ("recall_at_1", "recall_at_5", "map_at_r")


# ---- The model and its loss ----


def model_of(folder: Path, identities, **options):
    head = FACES | {"identities": list(identities), "embedding_size": 8} | options
    return load(make(folder, [head], validation="val") / "model.py")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_of(tmp_path_factory.mktemp("model"), KNOWN, subcenters=2)


def test_embeddings_have_length_one_and_say_how_near_each_center_is(model):
    head = model.EmbeddingHead(32, 8, 3, 2).eval()
    vectors, cosines = head(torch.randn(5, 32, 3, 4))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(5))
    assert cosines.shape == (5, 3, 2) and cosines.abs().max() <= 1 + 1e-6
    centers = head.centers.weight.view(3, 2, 8)
    expected = torch.cosine_similarity(vectors[:, None, None], centers[None], dim=-1)
    assert torch.allclose(cosines, expected, atol=1e-6)
    assert model.decode(head(torch.randn(1, 32, 1, 1)))["face"]["embedding"].shape == (
        *(1, 8),
    )


def loss_of(model, cosines, identity, margin=0.3, scale=30.0):
    cosines = torch.tensor(cosines, requires_grad=True)
    outputs = model.Embeddings(torch.zeros(len(cosines), 8), cosines)
    targets = {"identity": torch.tensor(identity)}
    loss = model.metric_loss(outputs, targets, margin, scale)["identity"]
    loss.backward()
    return loss.item(), cosines.grad


def test_without_a_margin_the_loss_is_cross_entropy_over_cosines(model):
    found, _ = loss_of(model, [[[0.5], [0.1]]], [0], margin=0.0, scale=10.0)
    assert found == pytest.approx(math.log(1 + math.exp(1 - 5)), rel=1e-4)


@pytest.mark.parametrize("angle", [0.1, 0.9, 2.0, 2.7, 3.0])
def test_the_margin_is_an_angle(model, angle):
    """Beyond half a turn, as of the last one, a line goes on where the cosine ends."""
    cosine, farther = math.cos(angle), angle + 0.4
    found, _ = loss_of(model, [[[cosine], [0.1]]], [0], margin=0.4, scale=10.0)
    target = math.cos(farther) if farther < math.pi else -1 - (farther - math.pi)
    expected = math.log(1 + math.exp(1 - 10 * target))
    assert found == pytest.approx(expected, rel=1e-4)


def test_only_the_nearest_center_of_an_identity_learns(model):
    _, gradient = loss_of(model, [[[0.2, 0.6], [0.3, -0.5]]], [0])
    assert (gradient[0] != 0).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("cosine", [1.0, -1.0, -math.cos(0.1)])
def test_the_loss_falls_with_the_angle_all_the_way_round(model, cosine):
    """At the ends the arc cosine has no finite slope; past half a turn the cosine of
    angle and margin rises again."""
    loss, gradient = loss_of(model, [[[cosine], [0.0]]], [0])
    assert math.isfinite(loss) and gradient.isfinite().all()
    nearer, _ = loss_of(model, [[[cosine * 0.99 + 0.01], [0.0]]], [0])
    assert nearer <= loss


@pytest.mark.parametrize(
    "count, subcenters",
    [(2, 1), (2, 3), pytest.param(10_000, 2, marks=pytest.mark.slow)],
)
def test_any_number_of_identities_can_be_told_apart(tmp_path, count, subcenters):
    names = [f"person {i}" for i in range(count)]
    module = model_of(tmp_path, names, subcenters=subcenters)
    assert (tmp_path / "identities.json").exists() == (count > 100)
    torch.manual_seed(0)
    head = module.EmbeddingHead(16, 8, count, subcenters)
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    level, own = torch.randn(4, 16, 2, 2), torch.tensor([0, 1, count - 1, 0])
    for _ in range(60):
        terms = module.metric_loss(head(level), {"identity": own}, 0.3, 30.0)
        optimizer.zero_grad()
        terms["identity"].backward()
        optimizer.step()
    assert head(level).cosines.amax(2).argmax(1).tolist() == own.tolist()


# ---- Metrics ----


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("metrics"), [FACES], validation="val")
    measured = load_all(folder, "evaluate").evaluate.retrieval_metrics

    def measure(truth, vectors):
        found = [{"embedding": list(vector)} for vector in vectors]
        return measured(truth, found, torch.device("cpu"))

    return measure


@pytest.fixture
def metrics(retrieval):
    def measure(truth, angles):
        return retrieval(truth, [[math.cos(a), math.sin(a)] for a in angles])

    return measure


def test_perfect_neighbors_give_perfect_metrics(metrics):
    found = metrics(["x", "y", "x", "y"], [0.0, 2.0, 0.1, 2.1])
    assert found == dict.fromkeys(METRICS, 1.0)


def test_metrics_count_the_others_of_an_identity(metrics):
    """Both identities have two images, and each image is nearest to a wrong one."""
    found = metrics(["x", "y", "x", "y"], [0.0, 0.1, 0.3, 3.0])
    # Nearest: x0 -> y, y1 -> x0, x2 -> y1, y3 -> x2: none is right at first.
    assert found["recall_at_1"] == 0.0 and found["recall_at_5"] == 1.0
    assert found["map_at_r"] == 0.0  # R is 1 for each


def test_an_image_without_others_is_no_query(metrics):
    found = metrics(["x", "alone", "x"], [0.0, 0.1, 0.3])
    # Both x find `alone` first; it asks for nothing itself.
    assert found == {"recall_at_1": 0.0, "recall_at_5": 1.0, "map_at_r": 0.0}
    assert metrics(["x", "y"], [0.0, 0.1]) == {}
    assert metrics(["x"], [0.0]) == {}


def test_map_at_r_weighs_the_rank(metrics):
    """x looks for two others: one is its nearest, the other only the third."""
    found = metrics(["x", "x", "y", "x"], [0.0, 0.1, 0.22, 1.0])
    # x0 and x1: hit, miss -> (1 + 0)/2;
    # x3: miss, hit -> (0 + 1/2)/2. y has no others.
    assert found["map_at_r"] == pytest.approx((0.5 + 0.5 + 0.25) / 3)


@pytest.mark.parametrize("count, identities", [(1500, 40), (30, 3), (1100, 2)])
def test_many_images_are_ranked_as_by_sorting_them(retrieval, count, identities):
    """In several blocks, with many equal cosines, which are exact: the first is nearer.
    One image has no others of its identity."""
    rng = np.random.default_rng(count)
    vectors = rng.choice([-0.25, 0.25], (count, 16))
    truth = rng.integers(0, identities, count)
    truth[7] = identities
    first, five, precision = [], [], []
    for query in range(count):
        order = np.lexsort((np.arange(count), -(vectors @ vectors[query])))
        right = truth[order[order != query]] == truth[query]
        if others := right.sum():
            first.append(right[0])
            five.append(right[:5].any())
            places = np.flatnonzero(right[:others])
            shares = [(number + 1) / (place + 1) for number, place in enumerate(places)]
            precision.append(sum(shares) / others)
    expected = dict(zip(METRICS, map(np.mean, (first, five, precision))))
    found = retrieval([str(identity) for identity in truth], vectors)
    assert found == pytest.approx(expected, abs=1e-9)


# ---- The reader ----


@pytest.fixture
def dataset(emitted):
    return emitted(FACES, validation="val").dataset


def identities(folder: Path, labels: object, names=KNOWN) -> Path:
    return native(folder, labels, "metric learning", identities=list(names))


def test_validation_may_have_identities_that_training_has_not(dataset, tmp_path):
    identities(tmp_path / "train", {"0.png": "a", "1.png": "no", "2.png": None})
    identities(tmp_path / "val", {"0.png": "x", "3.png": 7}, names=["x", 7])
    training, validation = dataset.read_datasets(tmp_path)
    assert [sample.labels["face"] for sample in training] == ["a", "no"]
    assert [sample.labels["face"] for sample in validation] == ["x", "7"]


@pytest.mark.parametrize(
    "labels, names, said",
    [
        ({"0.png": "a"}, ("a", "b"), "only in the job: no"),
        ({"0.png": "a"}, (*KNOWN, "c"), "only in the dataset: c"),
        ({"0.png": "c"}, KNOWN, "0.png: not an identity of the job: 'c'"),
        ({"0.png": ["a"]}, KNOWN, "0.png: not an identity of the job"),
    ],
)
def test_what_is_trained_on_must_be_the_job_s(dataset, tmp_path, labels, names, said):
    identities(tmp_path / "train", labels, names)
    with pytest.raises(SystemExit) as caught:
        dataset.read_datasets(tmp_path)
    assert said in str(caught.value)


def test_wrong_labels_of_validation_are_named(dataset, tmp_path):
    with pytest.raises(SystemExit, match="0.png: not the name of an identity: "):
        dataset.read_dataset(identities(tmp_path, {"0.png": ["a"]}))
    others = [{"task": "metric learning", "identities": [name]} for name in "xy"]
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(others))
    with pytest.raises(SystemExit, match="several entries"):
        dataset.read_dataset(tmp_path)


def test_folders_are_identities(emitted, tmp_path):
    modules = emitted(FACES, format="folders", validation="val")
    for name in ("train/a", "train/b", "train/no", "val/x"):
        (tmp_path / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / name / "0.png"), np.zeros((8, 9, 3), np.uint8))
    training, validation = modules.dataset.read_datasets(tmp_path)
    assert [sample.labels["face"] for sample in training] == list(KNOWN)
    assert [sample.labels["face"] for sample in validation] == ["x"]
    images, targets, _ = modules.data.collate(
        [modules.data.TrainingSet(training, 0)[0, 2]]
    )
    assert targets["face"]["identity"].tolist() == [2]
    (tmp_path / "train" / "other").mkdir()
    shutil.copy(tmp_path / "val" / "x" / "0.png", tmp_path / "train" / "other")
    with pytest.raises(SystemExit, match="only in the dataset: other"):
        modules.dataset.read_datasets(tmp_path)


# ---- Identities that are counted ----


def folders(root: Path, identities: str = "b no a x"):
    """Class folders: two images of each identity to train on, and of one to find."""
    for name in (*(f"train/{x}" for x in identities.split()), "val/new"):
        (root / name).mkdir(parents=True)
        for number in range(2):
            image = np.full((8, 9, 3), 100 * number, np.uint8)
            cv2.imwrite(str(root / name / f"{number}.png"), image)


def read(folder: Path, root: Path, identities, form: str, keeps: bool):
    """Samples and targets of the set to train on, in a job that lists identities, or
    says how many there are, and that keeps samples in a file or does not."""
    head = FACES | {"identities": identities, "embedding_size": 8}
    folder.mkdir()
    data = {"validation": "val", "format": form, "keep_samples": keeps}
    names = ["dataset", *["samples"] * keeps, "data", "model"]
    modules = load_all(make(folder, [head], **data), *names)
    reader = modules.samples if keeps else modules.dataset
    if keeps:
        reader.FOLDER = folder / "cache"
        reader.read_samples(root)  # writes the file
    training, validation = reader.read_samples(root)
    views = modules.data.TrainingSet(training, 0)
    numbers = [views[0, i][1]["face"] for i in range(len(training))]
    return training, validation, numbers, modules.model.Embedder()


@pytest.mark.parametrize("form", ["folders", "native"])
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "read"])
def test_counted_identities_are_numbered_as_sorted_ones(tmp_path, form, keeps):
    root, names = tmp_path / "data", list(KNOWN)
    if form == "folders":
        folders(root, "b no a")
    else:
        labels = {"0.png": "no", "1.png": "b", "2.png": "a", "3.png": "a"}
        identities(root / "train", labels, names[::-1])
        identities(root / "val", {"0.png": "new", "1.png": "new"}, ["new"])
    listed, counted = (
        read(tmp_path / type(given).__name__, root, given, form, keeps)
        for given in (tuple(names), len(names))
    )
    for one, other in zip(listed[0], counted[0]):
        assert one == other
    assert listed[2] == counted[2] == [names.index(x.labels["face"]) for x in listed[0]]
    assert [sample.labels["face"] for sample in counted[1]] == ["new"] * 2
    shapes = [
        {k: v.shape for k, v in x[3].state_dict().items()} for x in (listed, counted)
    ]
    assert shapes[0] == shapes[1] and shapes[0]["head.centers.weight"] == (3, 8)


def test_more_identities_than_are_counted_are_refused(tmp_path, capsys):
    folders(tmp_path / "data")
    with pytest.raises(SystemExit, match="4 identities to train on, the job counts 3"):
        read(tmp_path / "3", tmp_path / "data", 3, "folders", True)
    read(tmp_path / "5", tmp_path / "data", 5, "folders", False)
    assert "4 identities to train on, the job counts 5" in capsys.readouterr().err


def test_part_of_the_counted_identities_is_held_out(tmp_path):
    folders(tmp_path / "data", "a b c d e f")
    (tmp_path / "job").mkdir()
    job = make(tmp_path / "job", [FACES | {"identities": 6}], format="folders")
    dataset = load_all(job, "dataset").dataset
    dataset.VALIDATION_SHARE = 0.4
    training, validation = dataset.read_samples(tmp_path / "data")
    names = sorted({sample.labels["face"] for sample in training})
    assert len(names) == 4 and not {x.labels["face"] for x in validation} & {*names}
    assert [names[x.labels["face"].number] for x in training] == [
        x.labels["face"] for x in training
    ]


# ---- Runs ----


@pytest.fixture(scope="module")
def job(world) -> Path:
    return make_run(world / "ground", GROUND, backbone={"top_level": 3}, validations=2)


@pytest.fixture(scope="module")
def output(job) -> Path:
    train(job, job.parent / "runs" / "ground")
    return job.parent / "runs" / "ground"


@pytest.mark.slow
def test_training_learns(output):
    losses = [row["loss"] for row in rows(output) if row["split"] == "train"]
    assert losses[-1] < 0.7 * losses[0]
    for row in rows(output):
        if row["split"] == "validation":
            assert all(0 <= row[f"ground/{name}"] <= 1 for name in METRICS)
    best = checkpoint(output / "best.pt")["metrics"]
    assert checkpoint(output / "last.pt")["best"] == best["ground/recall_at_1"]
    assert cv2.imread(str(output / "predictions.png")).std() > 10


@pytest.mark.slow
def test_a_new_process_finds_the_same(output, job, world, tmp_path):
    flags = ("--weights", output / "best.pt")
    done = run(job, "evaluate.py", *flags, "--data", world)
    found, best = json.loads(done.stdout), checkpoint(output / "best.pt")["metrics"]
    assert found == pytest.approx(best, abs=1e-6)
    images = sorted((world / "shapes" / "val" / "images").iterdir())[:2]
    run(job, "predict.py", *flags, "--output", tmp_path, *images)
    report = json.loads((tmp_path / "predictions.json").read_text())
    for path in images:
        (embedding,) = report[str(path)]["ground"].values()
        assert len(embedding) == 16 and np.linalg.norm(embedding) == pytest.approx(
            1, abs=1e-3
        )
        assert cv2.imread(str(tmp_path / f"{path.stem}.png")) is not None
