"""ImageNet weights for a model of timm, and a run that starts from them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from emitted_jobs import compile_raw, write
from timm_jobs import compiled, encoded, job_of, timm

from specc.shapes.dataset import draw_dataset
from specc.timm import importing

# ---- Weights ----


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory) -> tuple[Path, dict[str, torch.Tensor]]:
    """Files as timm's hub has them, of a whole ConvNeXt with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    state = timm.create_model("test_convnext").state_dict()
    torch.save(state, folder / "w.pth")
    from safetensors.torch import save_file

    save_file(state, folder / "w.safetensors")
    return folder, state


def train_module(folder: Path, weights: str | None, channels: int = 3) -> ModuleType:
    """The train.py of a job whose backbone starts from these weights."""
    start = {"initialization": {"kind": "imagenet", "weights": weights}}
    made = compiled("test_convnext", head=5, gray=channels, trainer=start)
    write(made, folder)
    (folder / "job.json").write_bytes(encoded("test_convnext", head=5))
    return load_script(folder, "train")


def load_script(folder: Path, name: str) -> ModuleType:
    """A script of a folder, and the modules beside it, under their own names."""
    own = [path.stem for path in folder.glob("*.py")]
    before = {one: sys.modules.pop(one, None) for one in own}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for one, module in before.items():
            sys.modules.pop(one, None)
            if module is not None:
                sys.modules[one] = module


@pytest.fixture(scope="module")
def own_process(tmp_path_factory) -> dict:
    """An environment in which timm can be imported beside any build of PyTorch."""
    folder = tmp_path_factory.mktemp("site")
    home = Path(importing.__file__).parent
    code = f"import sys; sys.path.append({str(home)!r})\n"
    code += "from importing import import_timm\nimport_timm()\n"
    (folder / "sitecustomize.py").write_text(code)
    return os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.sample("3-w.pth", "1-w.safetensors")
@pytest.mark.parametrize("file", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("channels", [3, 1])
def test_a_local_file_is_loaded_by_name(file, channels, whole_model, tmp_path):
    folder, state = whole_model
    train = train_module(tmp_path, str(folder / file), channels)
    backbone = train.Classifier().backbone
    train.load_imagenet(backbone)
    found = backbone.body.state_dict()
    kernel = state["stem.0.weight"]
    kernel = kernel.sum(1, keepdim=True) if channels == 1 else kernel
    assert torch.equal(found.pop("stem_0.weight"), kernel)
    for name, value in found.items():
        theirs = name.replace("stem_", "stem.").replace("stages_", "stages.")
        assert torch.equal(value, state[theirs]), name


def write_text(path, state):
    path.write_text("no weights")


def write_another(path, state):
    torch.save(timm.create_model("test_resnet").state_dict(), path)


def write_wider(path, state):
    torch.save({k: v.repeat_interleave(2, 0) for k, v in state.items()}, path)


class Evil:
    """A pickle that would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def write_code(path, state):
    torch.save(state | {"stem.0.weight": Evil(path.with_name("was-run"))}, path)


def write_nothing(path, state):
    assert not path.exists()


SAID = {
    write_text: "not a file of weights",
    write_another: "missing: stem_0.weight",
    write_wider: "of another shape: stem_0.weight",
    write_code: "not a file of weights",
    write_nothing: "cannot be read",
}


@pytest.mark.sample(
    "write_text-3",
    "write_another-1",
    "write_wider-3",
    "write_code-3",
    "write_nothing-1",
)
@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("writer", SAID, ids=lambda one: one.__name__)
def test_what_is_no_weights_is_refused(writer, channels, whole_model, tmp_path):
    """With one message, and no code in the file is run."""
    path = tmp_path / "w.pth"
    writer(path, whole_model[1])
    train = train_module(tmp_path, str(path), channels)
    with pytest.raises(SystemExit) as caught:
        train.load_imagenet(train.Classifier().backbone)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and SAID[writer] in said
    assert len(said.splitlines()) <= 3
    assert not (tmp_path / "was-run").exists()


@pytest.mark.sample("3")
@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 1])
def test_the_hub_is_asked_by_name_and_tag(channels, whole_model, tmp_path, monkeypatch):
    asked = []

    def create(name, **options):
        asked.append((name, options.pop("pretrained", None)))
        return original(name, **options)

    original = timm.create_model
    train = train_module(tmp_path, None, channels)
    backbone = train.Classifier().backbone
    before = backbone.body.state_dict()["stem_0.weight"].clone()
    monkeypatch.setattr(timm, "create_model", create)
    train.load_imagenet(backbone)
    assert asked == [("test_convnext.r160_in1k", True)]
    after = backbone.body.state_dict()["stem_0.weight"]
    assert after.shape == before.shape and not torch.equal(after, before)


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_told(tmp_path, monkeypatch):
    def create(name, **options):
        raise OSError("We couldn't connect to the hub")

    train = train_module(tmp_path, None)
    backbone = train.Classifier().backbone
    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(SystemExit) as caught:
        train.load_imagenet(backbone)
    said = "test_convnext.r160_in1k: cannot be loaded: We couldn't connect"
    assert str(caught.value).startswith(said)
    assert "name a local file in initialization.weights" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [False, pytest.param(True, marks=pytest.mark.soak)])
@pytest.mark.soak
def test_a_run_of_the_emitted_code_learns_and_resumes(own_process, tmp_path, resumed):
    draw_dataset(tmp_path / "shapes", train=8, validation=4)
    head = {"name": "shapes", "task": "object_detection"}
    head["categories"] = ["circle", "square", "triangle", "star"]
    job = job_of("test_convnext", neck=(3, 5))
    job["model"]["heads"] = [head | {"bottom_level": 3, "top_level": 5}]
    job["data"] |= {"train": "shapes/train", "validation": "shapes/val"}
    job["trainer"] = {"max_iterations": 4, "validations": 2, "batch_size": 4}
    made = compile_raw(json.dumps(job).encode())
    (tmp_path / "code").mkdir()
    write(made, tmp_path / "code")
    (tmp_path / "code" / "job.json").write_text(json.dumps(job))
    cores = ("--workers", "0", "--threads", "1")
    for more in (["--max-iterations", "2"], ["--resume", "any"])[: 1 + resumed]:
        done = subprocess.run(
            [sys.executable, "code/train.py", *cores, *more],
            cwd=tmp_path,
            env=own_process,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    last = torch.load(tmp_path / "runs" / "tried" / "last.pt", weights_only=True)
    assert last["iteration"] == (4 if resumed else 2)
    assert "backbone.body.stem_0.weight" in last["model"]
