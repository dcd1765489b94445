"""Emitted scripts under torchrun, with processes of one thread each on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runs import PATIENCE, one_core

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


# Gradients of four images, and metrics of all of a validation set, in a group.
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
    model.train()
    with torch.no_grad():  # so that the norms have statistics, which are then frozen
        for _ in range(3):
            model(collate([TrainingSet(training, 0)[0, i] for i in range(4)])[0])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()

    batch = [TrainingSet(training, 0)[0, i] for i in (0, 1, 2, 3)]
    images, targets, _ = collate(batch[rank::world])
    replica = DistributedDataParallel(model)
    terms = loss_terms(replica(images), targets)
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
