"""Steps that never wait for the GPU: forward and loss of every head are one graph, of
shapes that no value decides, and nothing in a step reads a value."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import head_jobs
import pytest
import runs
import torch
from emitted_jobs import load, load_all
from torch._dynamo.testing import CompileCounter
from torch.utils._python_dispatch import TorchDispatchMode

from specc.language.schema import part

pytestmark = pytest.mark.slow

KNOWN = part("head")["properties"]["task"]["enum"]
PARTIAL = "partly labeled"
# Operations that copy values to the host: a number, or how many rows a result has.
WAITING = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select")


class Waits(TorchDispatchMode):
    """Counts the operations for which a GPU would have to be waited."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._schema.name in WAITING:
            self.found[function._schema.name] += 1
        return function(*args, **kwargs or {})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    for name in {small.drawn for small in head_jobs.JOBS.values()}:
        head_jobs.draw(name, folder / name)
    return folder


@pytest.fixture(scope="module", params=(*KNOWN, PARTIAL))
def step(request, drawn, one_thread):
    """A model, its loss, and a batch of its small job."""
    if request.param == PARTIAL:
        names = [name for name in head_jobs.ON_SHAPES if name != "views"]
        heads = [head_jobs.head_of(name) for name in names]
        folder = runs.make(drawn / "partial", *heads, batch_size=4)
    else:
        folder = head_jobs.make(drawn / request.param, request.param)
    modules = load_all(folder, "dataset", "data")
    training, _ = modules.dataset.read_datasets(drawn)
    if request.param == PARTIAL:
        training = [without(s, *names[i % 2 :: 2]) for i, s in enumerate(training)]
    batch = next(modules.data.training_batches(training, 0, 0, 0, 1, 0))
    with pytest.MonkeyPatch.context() as patch:
        model = load(folder / "model.py")
        patch.setitem(sys.modules, model.__name__, model)  # torch.compile looks there
        torch.manual_seed(0)
        yield model, network_of(model)().train(), batch


def without(sample, *heads: str):
    kept = {head: x for head, x in sample.labels.items() if head not in heads}
    kept |= {"picture": sample.labels["picture"]}  # every image has this one
    return sample._replace(labels=kept)


def network_of(model: ModuleType) -> type[torch.nn.Module]:
    """The class of modules that stands last in model.py."""
    own = [x for x in vars(model).values() if isinstance(x, type)]
    own = [x for x in own if x.__module__ == model.__name__]
    return [x for x in own if issubclass(x, torch.nn.Module)][-1]


def terms_of(model, network, images, targets) -> dict:
    told = "targets" in network.forward.__code__.co_varnames
    outputs = network(images, targets) if told else network(images)
    return model.loss_terms(outputs, targets)


@pytest.mark.sample(
    "partly labeled", "anomaly_detection", "autoregressive_text_recognition"
)
def test_a_step_reads_no_value(step):
    model, network, (images, targets) = step
    with Waits() as waits:
        sum(terms_of(model, network, images, targets).values()).backward()
    assert not waits.found


@pytest.mark.sample("anomaly_detection", "autoregressive_text_recognition")
def test_forward_and_loss_are_one_graph(step):
    """Compiled as a whole, and not again for other values of the same shapes."""
    model, network, (images, targets) = step
    compiler = CompileCounter()
    options = {"backend": compiler, "fullgraph": True, "dynamic": False}
    torch._dynamo.reset()
    compiled = torch.compile(terms_of, **options)
    for places in (1, 2):
        batch = images.roll(places, 0), {
            head: {name: x.roll(places, 0) for name, x in of_head.items()}
            for head, of_head in targets.items()
        }
        found = compiled(model, network, *batch)
    for name, value in terms_of(model, network, *batch).items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    assert compiler.frame_count == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_is_not_waited_for(step):
    model, network, (images, targets) = step
    network, images = network.cuda(), images.cuda()
    targets = {
        head: {name: x.cuda() for name, x in of_head.items()}
        for head, of_head in targets.items()
    }
    sum(terms_of(model, network, images, targets).values()).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        sum(terms_of(model, network, images, targets).values()).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
        network.cpu()
