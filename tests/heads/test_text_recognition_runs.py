"""Both text heads in processes of their own: they learn, resume, and share their work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from emitted_jobs import build
from runs import assert_equal_runs, checkpoint, rows, run, train
from torchrun import torchrun

from specc.shapes.text import SIZE, draw_dataset

pytestmark = pytest.mark.slow

TASKS = ("scene_text_recognition", "autoregressive_text_recognition")
TOKENS, MAX_TOKENS = "0147", 2  # few, which are learned soon


@pytest.fixture(scope="module")
def strips(tmp_path_factory) -> Path:
    """A folder with a dataset of digits; five images to validate cannot be halved."""
    folder = tmp_path_factory.mktemp("strips")
    easy = {"tokens": TOKENS, "lengths": (1, MAX_TOKENS)}
    draw_dataset(folder / "strips", train=400, validation=60, **easy)
    draw_dataset(folder / "few", train=16, validation=5, **easy)
    return folder


def head_of(task: str, **options) -> dict:
    sizes = {"tokens": TOKENS, "max_tokens": MAX_TOKENS}
    return {"name": "code", "task": task} | sizes | options


def make(folder: Path, *heads: dict, data="strips", **trainer) -> Path:
    sets = {"train": f"{data}/train", "validation": f"{data}/val"}
    job = {
        "name": folder.name,
        "data": sets | {"resolution": list(SIZE), "channels": 1},
        "model": {"backbone": {"top_level": 3}, "heads": heads},
        "trainer": {
            "max_iterations": 120,
            "validations": 2,
            "batch_size": 16,
            "gradient_clipping": 10,
            "optimizer": {"kind": "adamw", "learning_rate": 0.001},
        }
        | trainer,
    }
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


@pytest.mark.parametrize(
    "task", [TASKS[0], pytest.param(TASKS[1], marks=pytest.mark.soak)]
)
def test_digits_are_learned_and_read_by_another_process(strips, task):
    job = make(strips / task.replace("_", "-"), head_of(task))
    output = strips / "runs" / job.name
    train(job, output)
    best = checkpoint(output / "best.pt")["metrics"]
    assert best["code/exact_match"] > 0.3
    assert best["code/character_error_rate"] < 0.5
    flags = ("--weights", output / "best.pt", "--data", strips)
    found = json.loads(run(job, "evaluate.py", *flags).stdout)
    assert found == pytest.approx(best, abs=1e-6)

    images = sorted((strips / "strips" / "val" / "images").iterdir())
    flags = ("--weights", output / "best.pt", "--output", strips / "drawn")
    run(job, "predict.py", *flags, *images)
    report = json.loads((strips / "drawn" / "predictions.json").read_text())
    texts = [report[str(image)]["code"] for image in images]
    assert all(set(one["text"]) <= set(TOKENS) for one in texts)
    assert all(0 <= one["score"] <= 1 for one in texts)
    labels = (strips / "strips" / "val" / "texts.yaml").read_text()
    right = [f"{image.name}: '{one['text']}'" for image, one in zip(images, texts)]
    share = sum(line in labels for line in right) / len(right)
    assert share == pytest.approx(best["code/exact_match"], abs=0.05)


SHORT = {"max_iterations": 12, "validations": 3, "batch_size": 4}
STOPS = """        iteration += 1
        if iteration == 7 and not last.exists():
            raise SystemExit("too early")
        if iteration == 7 and not args.resume:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.soak
def test_a_killed_run_goes_on_bit_for_bit(strips, task):
    options = SHORT | {"best": "code/character_error_rate"}
    job = make(strips / f"killed-{task[:4]}", head_of(task), data="few", **options)
    whole, broken = (strips / "runs" / f"{job.name}-{n}" for n in ("whole", "broken"))
    train(job, whole)
    killed = job.with_name(f"{job.name}-again")
    shutil.copytree(job, killed)
    text = (job / "train.py").read_text()
    assert text.count("        iteration += 1\n") == 1
    (killed / "train.py").write_text(text.replace("        iteration += 1\n", STOPS))
    train(killed, broken, code=-9)
    assert checkpoint(broken / "last.pt")["iteration"] == 4
    train(job, broken, "--resume")
    assert_equal_runs(whole, broken)
    # The best is the lowest of an error rate.
    found = [row for row in rows(whole) if row["split"] == "validation"]
    lowest = min(row["code/character_error_rate"] for row in found)
    assert checkpoint(whole / "last.pt")["best"] == lowest


COMPARE = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import json

import torch
import torch.distributed as dist
import torch.distributed.nn  # before there is a group, which its defaults would keep
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from data import collate, TrainingSet
from dataset import read_datasets
from evaluate import evaluate
from model import Network, loss_terms


def main():  # so that no group of processes is left for the end of the interpreter
    dist.init_process_group("gloo")
    rank, world, device = dist.get_rank(), dist.get_world_size(), torch.device("cpu")
    training, validation = read_datasets(Path(sys.argv[1]))
    torch.manual_seed(0)
    model = Network()
    for module in model.modules():  # the running statistics of a share are its own
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    batch = [TrainingSet(training, 0)[0, i] for i in (0, 1, 2, 3)]
    images, targets, _ = collate(batch[rank::world])
    replica = DistributedDataParallel(model)
    terms = loss_terms(replica(images, targets), targets)
    sum(terms.values()).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    metrics = evaluate(model, validation, device, 0, rank, world)
    if rank == 0:
        file = {"gradients": gradients, "metrics": json.dumps(metrics)}
        torch.save(file, sys.argv[2])
    del replica
    dist.destroy_process_group()


main()
"""


@pytest.mark.soak
def test_two_processes_are_one(strips):
    """Metrics of five images, and gradients of four, through both heads at once."""
    heads = [head_of(task, name=task[:5]) for task in TASKS]
    folder = make(strips / "both", *heads, data="few", **SHORT)
    script = folder / "compare.py"
    script.write_text(COMPARE)
    found = []
    for processes in (1, 2):
        path = folder / f"{processes}.pt"
        said = torchrun(script, strips, path, processes=processes)
        assert path.exists(), said
        found.append(torch.load(path, weights_only=True))
    one, two = found
    first, second = json.loads(one["metrics"]), json.loads(two["metrics"])
    assert first == pytest.approx(second, abs=1e-6)
    assert "scene/exact_match" in first and "autor/exact_match" in first
    assert any(name.startswith("heads.autor.tokens") for name in one["gradients"])
    for name, gradient in one["gradients"].items():
        scale = gradient.abs().max() + 1e-6
        other = two["gradients"][name]
        assert torch.allclose(gradient, other, rtol=0, atol=1e-4 * scale), name


@pytest.mark.soak
def test_the_script_trains_in_two_processes(strips):
    job = make(strips / "pair", head_of(TASKS[1]), data="few", **SHORT)
    output = strips / "runs" / "pair"
    flags = ("--data", strips, "--output", output, "--workers", 0)
    torchrun(job / "train.py", *flags)
    assert checkpoint(output / "last.pt")["run"]["processes"] == 2
    found = [row for row in rows(output) if "code/exact_match" in row]
    assert [row["iteration"] for row in found] == [4, 8, 12]
