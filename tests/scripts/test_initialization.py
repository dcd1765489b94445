"""Initial weights of emitted runs: ImageNet's, or another run's."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from emitted_jobs import load
from runs import SHAPES, checkpoint, make, refusal, run, train

from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow


# ---- Weights that fit ----


RESNET = {"name": "resnet18"}


@pytest.fixture(scope="module")
def whole(world) -> Path:
    """As the output of a run: weights with the names of ResNet-18."""
    job = make(world / "resnet", SHAPES, backbone=RESNET)
    torch.manual_seed(5)  # a run draws with 0
    weights = load(job / "model.py").Detector().state_dict()
    given = {"format": 1, "job": (job / "resolved.json").read_text(), "metrics": {}}
    for name in ("best.pt", "last.pt"):
        torch.save(given | {"model": weights}, job / name)
    return job


def initialized(world: Path, name: str, weights: Path, kind: str, *heads) -> Path:
    trainer = {"initialization": {"kind": kind, "weights": str(weights)}}
    options = {"backbone": RESNET, "validations": 1} | trainer
    return make(world / name, *(heads or (SHAPES,)), **options)


def test_a_run_starts_from_another_s_weights(whole, world):
    """The detector's backbone and neck fit; the other job's head has another shape."""
    head = SHAPES | {"categories": ["circle", "square", "triangle", "star", "moon"]}
    data = world / "moons"
    draw_dataset(data, train=4, validation=3)
    for part in ("train", "val"):
        path = data / part / "metadata.yaml"
        path.write_text(path.read_text().replace("star", "star, moon"))
    job = initialized(world, "moon", whole / "best.pt", "checkpoint", head)
    text = (job / "dataset.py").read_text()
    (job / "dataset.py").write_text(text.replace("shapes/", "moons/"))
    # With no learning the weights are seen as they were loaded.
    train_text = (job / "train.py").read_text()
    still = train_text.replace("LEARNING_RATE = 0.001", "LEARNING_RATE = 0.0")
    (job / "train.py").write_text(still)
    done = train(job, "runs/moon", "--max-iterations", 1)
    before = checkpoint(whole / "best.pt")["model"]
    after = checkpoint(world / "runs" / "moon" / "last.pt")["model"]
    fits = [key for key in after if before[key].shape == after[key].shape]
    assert len(after) - len(fits) == 2
    assert f"loaded {len(fits)} of {len(after)} tensors" in done.stdout
    assert "head.class_logits.bias, head.class_logits.weight" in done.stdout
    assert all(
        torch.equal(before[key], after[key])
        for key in fits
        if "running" not in key and "num_batches" not in key
    )


@pytest.fixture(scope="module")
def timm_weights(whole) -> dict[str, torch.Tensor]:
    """A state dict with the names of timm's ResNet-18, with its classifier."""
    state = checkpoint(whole / "last.pt")["model"]
    names = [key for key in state if key.startswith("backbone.")]
    weights = {key.removeprefix("backbone."): state[key] for key in names}
    torch.manual_seed(7)
    for name, value in weights.items():
        if value.ndim == 4:
            weights[name] = torch.randn_like(value) / value[0].numel() ** 0.5
    return weights | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def test_a_backbone_starts_from_imagenet_weights(world, timm_weights):
    torch.save(timm_weights, world / "imagenet.bin")
    job = initialized(world, "imagenet", world / "imagenet.bin", "imagenet")
    text = (job / "train.py").read_text()
    still = text.replace("LEARNING_RATE = 0.001", "LEARNING_RATE = 0.0")
    assert still != text
    (job / "train.py").write_text(still)
    train(job, "runs/imagenet", "--max-iterations", 1)
    after = checkpoint(world / "runs" / "imagenet" / "last.pt")["model"]
    for name, value in timm_weights.items():
        if value.ndim == 4:
            assert torch.equal(after[f"backbone.{name}"], value), name


# ---- Files that are no weights ----


class Evil:
    """A pickle that would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def write_text(path, weights):
    path.write_text("no weights")


def write_another_architecture(path, weights):
    wrong = {
        k: v.repeat(2, *[1] * (v.ndim - 1)) if v.ndim else v for k, v in weights.items()
    }
    torch.save(wrong, path)


def write_without_a_layer(path, weights):
    torch.save({k: v for k, v in weights.items() if "layer3" not in k}, path)


def write_a_tensor(path, weights):
    torch.save(weights["conv1.weight"], path)


def write_a_list(path, weights):
    torch.save([1, 2, 3], path)


def write_numbers(path, weights):
    torch.save(dict.fromkeys(weights, 1.0), path)


def write_code(path, weights):
    torch.save(weights | {"conv1.weight": Evil(path.parent / "was-run")}, path)


def write_a_bare_pickle(path, weights):
    path.write_bytes(pickle.dumps(Evil(path.parent / "was-run")))


def write_half(path, weights):
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[: 10**6])


def write_nothing(path, weights):
    assert not path.exists()


NO_WEIGHTS = [
    *(write_text, write_another_architecture, write_without_a_layer, write_a_tensor),
    *(write_a_list, write_numbers, write_code, write_a_bare_pickle, write_half),
    write_nothing,
]


TRY_EACH = """
import json, pathlib, re, sys, train
said = {}
for path in map(pathlib.Path, filter(re.compile("[.]bin$").search, sys.argv)):
    train.WEIGHTS = path
    try:
        getattr(train, sys.argv[1])(train.Detector())
    except SystemExit as error:
        said[path.stem] = str(error)
    except Exception as error:
        said[path.stem] = f"Traceback: {error!r}"
print(json.dumps(said))
"""


@pytest.fixture(
    scope="module",
    params=["imagenet", pytest.param("checkpoint", marks=pytest.mark.soak)],
)
def said_of_no_weights(request, world, timm_weights) -> tuple[Path, dict[str, str]]:
    """Returns the files' folder, and the message of a process that loaded each file."""
    folder = world / f"no-{request.param}"
    folder.mkdir()
    for write in NO_WEIGHTS:
        write(folder / f"{write.__name__}.bin", timm_weights)
    job = initialized(world, f"refuses-{request.param}", Path("any"), request.param)
    loader, part = {
        "imagenet": ("load_imagenet", ".backbone"),
        "checkpoint": ("load_matching", ""),
    }[request.param]
    code = TRY_EACH.replace("train.Detector()", f"train.Detector(){part}")
    paths = [str(folder / f"{write.__name__}.bin") for write in NO_WEIGHTS]
    (job / "try_each.py").write_text(code)
    return folder, json.loads(run(job, "try_each.py", loader, *paths).stdout)


@pytest.mark.parametrize("write", NO_WEIGHTS, ids=lambda write: write.__name__)
def test_what_is_no_weights_is_refused(said_of_no_weights, write):
    """With one message, and no code in the file is run."""
    folder, said = said_of_no_weights
    message = said[write.__name__]
    assert message.startswith(f"{folder / write.__name__}.bin: ")
    assert len(message.splitlines()) <= 4
    assert not (folder / "was-run").exists()


def test_a_run_ends_where_its_weights_are_none(world):
    job = initialized(world, "begins-with-none", world / "absent.bin", "imagenet")
    said = refusal(train(job, "runs/begins-with-none", code=1))
    assert "absent.bin: " in said
