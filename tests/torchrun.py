"""Emitted scripts under torchrun, with processes of one thread each on this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from runs import PATIENCE, group, one_core

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")

# Else restarted processes find the addresses of those before them (PyTorch 2.13).
FRESH_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def arguments(script: Path, *flags: object, restarts=0, processes=2) -> list[str]:
    count = ("--nproc-per-node", processes, "--max-restarts", restarts)
    return [*map(str, (*TORCHRUN, *count, script, *flags))]


def start(script: Path, *flags: object, restarts=0, processes=2) -> subprocess.Popen:
    return subprocess.Popen(
        arguments(script, *flags, restarts=restarts, processes=processes),
        cwd=script.parent.parent,
        env=one_core() | FRESH_STORE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def torchrun(script: Path, *flags: object, restarts=0, processes=2, code=0) -> str:
    """Runs to the end; returns all that was said."""
    process = start(script, *flags, restarts=restarts, processes=processes)
    said, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == code, said
    return said


# ---- As one process ----

# Gradients of a batch of four images, and metrics of all to validate on.
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
from model import loss_terms
from train import MODEL


def outputs_of(model, images, targets):
    return model(images, targets) if TOLD else model(images)


def main():  # a function: frees the process group before the interpreter ends
    dist.init_process_group("gloo")
    rank, world, device = dist.get_rank(), dist.get_world_size(), torch.device("cpu")
    training, validation = read_datasets(Path(sys.argv[1]))
    views = TrainingSet(training, 0)
    examples = [[views[0, i, *view] for view in VIEWS] for i in (0, 1, 2, 3)]
    torch.manual_seed(0)
    model = MODEL()
    model.train()
    with torch.no_grad():  # gives the norms statistics, which are then frozen
        for _ in range(3):
            outputs_of(model, *collate(sum(examples, []))[:2])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()

    images, targets, _ = collate(sum(examples[rank::world], []))
    replica = DistributedDataParallel(model)
    terms = loss_terms(outputs_of(replica, images, targets), targets)
    sum(terms.values()).backward()
    learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = {name: p.grad.clone() for name, p in learned}
    metrics = evaluate(model, validation, device, 0, rank, world)
    if rank == 0:
        file = {"gradients": gradients, "metrics": json.dumps(metrics)}
        torch.save(file, sys.argv[2])
    del replica
    dist.destroy_process_group()


main()
"""


def assert_two_are_one(folder: Path, told=False, views=False) -> dict:
    """The metrics, once two processes have found those and the gradients of one. What is
    nothing beside the others is noise: some losses do not see some biases."""
    model = re.search(r" model = (\w+)\(\)", (folder / "train.py").read_text())[1]
    script = COMPARE.replace("MODEL", model).replace("train import", "model import")
    script = script.replace("TOLD", str(told))
    keys = [(0,), (1,)] if views else [()]
    (folder / "compare.py").write_text(script.replace("VIEWS", str(keys)))
    found = []
    for processes in (1, 2):
        path = folder / f"{processes}.pt"
        group(folder, "compare.py", folder.parent, path, processes=processes)
        found.append(torch.load(path, weights_only=True))
    first, second = (json.loads(one["metrics"]) for one in found)
    assert first == pytest.approx(second, abs=1e-5)
    assert found[0]["gradients"]
    largest = max(x.abs().max() for x in found[0]["gradients"].values())
    for name, gradient in found[0]["gradients"].items():
        limit = 1e-4 * gradient.abs().max() + 1e-6 * largest
        apart = (gradient - found[1]["gradients"][name]).abs().max()
        assert apart <= limit, name
    return first
