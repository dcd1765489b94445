"""Options of the loop: each does what it says, and resumes as the plain loop does."""

from __future__ import annotations

import math
import signal
from pathlib import Path

import pytest
import torch
from emitted_jobs import load_all
from runs import SAVES, SCENE, SHAPES, assert_equal_runs, checkpoint, make, rows, train

pytestmark = pytest.mark.slow

SGD = {"kind": "sgd", "learning_rate": 0.05, "momentum": 0, "weight_decay": 0}
LENGTH = {"max_iterations": 4, "validations": 1, "optimizer": SGD}
SMALL = {"top_level": 2}


def edit(job: Path, file: str, old: str, new: str) -> None:
    text = (job / file).read_text()
    assert text.count(old) == 1, old
    (job / file).write_text(text.replace(old, new))


def weights(output: Path) -> dict[str, torch.Tensor]:
    return checkpoint(output / "last.pt")["model"]


def run(world: Path, name: str, head=SCENE, edits=(), **trainer) -> Path:
    """The output of a run of a small job with these options."""
    backbone = SMALL if head is SCENE else None
    job = make(world / name, head, backbone=backbone, **LENGTH | trainer)
    for change in edits:
        edit(job, *change)
    output = world / "runs" / name
    train(job, output)
    return output


def largest_difference(one: Path, other: Path) -> float:
    first, second = weights(one), weights(other)
    floats = [key for key in first if first[key].is_floating_point()]
    return max((first[key] - second[key]).abs().max().item() for key in floats)


FREEZE = (  # norms use the statistics that they have, and keep them
    "train.py",
    "        images, targets = to_device(",
    "        for module in model.modules():\n"
    "            module.training &= not isinstance(module, nn.BatchNorm2d)\n"
    "        images, targets = to_device(",
)


@pytest.fixture(scope="module")
def plain(world) -> Path:
    return run(world, "plain")


def test_windows_add_up_to_the_batch(world):
    whole = run(world, "whole-batch", edits=[FREEZE])
    parts = run(world, "windows", edits=[FREEZE], accumulation=4)
    assert 0 < largest_difference(whole, parts) < 1e-5
    first, second = rows(whole)[0], rows(parts)[0]
    assert first["loss"] == pytest.approx(second["loss"], abs=1e-5)


@pytest.mark.soak
def test_a_loss_per_object_differs_by_window(world):
    """As the schema says, losses are normalized by the objects of a micro-batch."""
    whole = run(world, "objects", SHAPES, edits=[FREEZE])
    parts = run(world, "object-windows", SHAPES, edits=[FREEZE], accumulation=2)
    first, second = rows(whole)[0]["loss"], rows(parts)[0]["loss"]
    print(f"loss {first:.4f} of the batch, {second:.4f} of its windows")
    assert 0 < abs(first - second) < 0.2 * first


def test_the_average_is_what_is_validated(world):
    output = run(world, "averaged", ema=0.9)
    last, best = checkpoint(output / "last.pt"), checkpoint(output / "best.pt")
    kernel = "backbone.conv1.weight"
    assert set(last["ema"]) == set(last["model"])
    assert not torch.equal(last["ema"][kernel], last["model"][kernel])
    for name, value in best["model"].items():
        assert torch.equal(value, last["ema"][name])


def test_the_average_is_the_stated_one(world):
    """The average is over weights and norm statistics, and shorter at first."""
    output = run(world, "average-by-hand", ema=0.2, edits=[TRACE])
    steps = torch.load(output / "steps.pt", weights_only=True)
    steps.insert(0, weights_at_start(world / "average-by-hand"))
    names = ("backbone.conv1.weight", "backbone.bn1.running_var")
    for name in names:
        mean = steps[0][name]
        for iteration, state in enumerate(steps[1:], 1):
            share = 1 - min(0.2, iteration / (iteration + 10))
            mean = mean + share * (state[name] - mean)
        assert torch.allclose(mean, checkpoint(output / "last.pt")["ema"][name])


TRACE = (
    "train.py",
    "        iteration += 1\n",
    "        iteration += 1\n"
    "        states = locals().get('states', [])\n"
    "        states.append({k: v.clone() for k, v in model.state_dict().items()})\n"
    "        torch.save(states, args.output / 'steps.pt')\n",
)


def patient(world: Path, name: str) -> tuple[Path, Path]:
    """A job whose rate is nearly nothing: the first validation stays the best."""
    options = {"max_iterations": 12, "validations": 6, "early_stopping": 2}
    options["optimizer"] = SGD | {"learning_rate": 1e-30}
    job = make(world / name, SCENE, backbone=SMALL, **options)
    return job, world / "runs" / name


def test_a_run_without_a_new_best_ends_early(world):
    job, output = patient(world, "patient")
    said = train(job, output).stdout
    assert "stopped early: no better scene/balanced_accuracy in 2 validations" in said
    state = checkpoint(output / "last.pt")
    assert (state["iteration"], state["stale_validations"]) == (6, 2)
    train(job, output, "--resume")  # the run stays ended
    assert checkpoint(output / "last.pt")["iteration"] == 6


@pytest.mark.soak
def test_a_killed_run_remembers_validations_in_vain(world):
    """Killed after the second validation."""
    job, output = patient(world, "patient-whole")
    train(job, output)
    dies = (
        "checkpoints.py",
        SAVES,
        f'{SAVES}        if state.get("iteration") == 4:\n'
        "            os.kill(os.getpid(), 9)\n",
    )
    text = (job / "checkpoints.py").read_text()
    edit(job, *dies)
    again = world / "runs" / "patient-killed"
    train(job, again, code=-signal.SIGKILL)
    (job / "checkpoints.py").write_text(text)
    assert checkpoint(again / "last.pt")["stale_validations"] == 1
    train(job, again, "--resume")
    assert_equal_runs(output, again)


def test_fp16_on_a_cpu_is_fp32(world, plain):
    output = run(world, "half", precision="fp16")
    assert largest_difference(plain, output) == 0
    assert checkpoint(output / "last.pt")["scaler"] == {}


@pytest.mark.soak
def test_the_state_of_the_scaler_is_resumed(world, plain):
    """A CPU has a scaler too, if it is told so."""
    enabled = ("train.py", 'GradScaler(device.type, enabled=device.type == "cuda")')
    small = "GradScaler(device.type, init_scale=16.0, growth_interval=2)"
    options = {"precision": "fp16", "validations": 2}
    output = run(world, "scaled", **options, edits=[(*enabled, small)])
    state = checkpoint(output / "last.pt")["scaler"]
    assert state["scale"] == 64.0  # grown twice
    assert largest_difference(plain, output) < 1e-6
    job = world / "scaled"
    longer = ("--max-iterations", 6)
    train(job, world / "runs" / "scaled-whole", *longer)
    edit(job, "checkpoints.py", SAVES, STOP_AT_3)
    again = world / "runs" / "scaled-again"
    train(job, again, *longer, code=-signal.SIGKILL)
    edit(job, "checkpoints.py", STOP_AT_3, SAVES)
    train(job, again, *longer, "--resume")
    assert_equal_runs(world / "runs" / "scaled-whole", again)
    first, second = (
        checkpoint(path / "last.pt")["scaler"]
        for path in (world / "runs" / "scaled-whole", again)
    )
    assert first == second


STOP_AT_3 = (
    '            if state.get("iteration") == 3:\n                os.kill(os.getpid(), 9)\n'
    + SAVES
)


def run_scaled(world: Path, name: str, scale: str) -> Path:
    """With the scaler of a GPU, which begins with this scale."""
    enabled = 'GradScaler(device.type, enabled=device.type == "cuda")'
    scaled = f"GradScaler(device.type, init_scale={scale}, growth_interval=10**6)"
    options = {"gradient_clipping": 1e6, "precision": "fp16"}
    return run(world, name, **options, edits=[("train.py", enabled, scaled)])


def test_the_norm_of_gradients_is_told_as_they_are_unscaled(world):
    plain = rows(run(world, "clipped", gradient_clipping=1e6))[0]["gradient_norm"]
    output = run_scaled(world, "clipped-scaled", "2.0**20")
    assert rows(output)[0]["gradient_norm"] == pytest.approx(plain, rel=1e-3)


@pytest.mark.soak
def test_a_step_that_the_scaler_skips_counts_as_none(world):
    """And ends no run."""
    output = run_scaled(world, "clipped-skipped", "math.inf")
    assert rows(output)[0]["gradient_norm"] == 0


@pytest.mark.soak
def test_compiled_code_learns_the_same(world, plain):
    output = run(world, "compiled", compile=True)
    assert weights(output).keys() == weights(plain).keys()
    # Forward and loss are one graph, whose kernels add in another order.
    assert largest_difference(plain, output) < 1e-3


@pytest.mark.parametrize("decay", [pytest.param(0.0, marks=pytest.mark.soak), 0.01])
def test_the_backbone_learns_at_its_own_rate(world, plain, decay):
    """With a factor of nearly nothing it stands still, and the head learns."""
    name = f"slow-backbone{'-decay' * (decay > 0)}"
    output = run(
        world,
        name,
        backbone_learning_rate_factor=1e-30,
        optimizer=SGD | {"weight_decay": decay},
    )
    state, learned = checkpoint(output / "last.pt"), weights(plain)
    first = weights_at_start(world / name)
    for key, value in state["model"].items():
        if key.endswith("weight"):
            still = value.allclose(first[key], rtol=0, atol=1e-20)
            assert still == key.startswith("backbone."), key
            assert not torch.equal(learned[key], first[key])


def weights_at_start(job: Path) -> dict[str, torch.Tensor]:
    from emitted_jobs import load

    torch.manual_seed(0)
    return load(job / "model.py").Classifier().state_dict()


DECAY = 0.25


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_weights_decay_and_biases_and_norms_do_not(tmp_path, kind, factor):
    """A step at learning rate 1 without a gradient removes the part that is asked for."""
    optimizer = {"kind": kind, "weight_decay": DECAY}
    trainer = {"optimizer": optimizer, "backbone_learning_rate_factor": factor}
    job = make(tmp_path / "decay", SCENE, backbone=SMALL, **trainer)
    modules = load_all(job, "model", "train")
    model = modules.model.Classifier()
    for parameter in model.parameters():
        parameter.data.fill_(1.0)
        parameter.grad = torch.zeros_like(parameter)
    make_one = torch.optim.AdamW if kind == "adamw" else torch.optim.SGD
    make_one(modules.train.parameter_groups(model), lr=1.0).step()
    for name, parameter in model.named_parameters():
        left = 1.0 if name.endswith("bias") or parameter.ndim == 1 else 1 - DECAY
        assert (parameter == left).all(), name


@pytest.mark.soak
def test_a_deterministic_run_can_be_had_again(world):
    first = run(world, "certain", deterministic=True)
    train(world / "certain", world / "runs" / "certain-again")
    assert_equal_runs(first, world / "runs" / "certain-again")
    text = (world / "certain" / "train.py").read_text()
    assert "torch.use_deterministic_algorithms(True)" in text


def test_a_metric_of_what_does_not_occur_chooses_nothing(world):
    """No shape is below 32 x 32 pixels: of such there is no best, but the newest."""
    options = {"best": "shapes/ap_small", "max_iterations": 2, "validations": 2}
    train(make(world / "none-small", SHAPES, **options), "runs/none-small")
    output = world / "runs" / "none-small"
    assert "NaN" not in (output / "metrics.jsonl").read_text()
    found = [row for row in rows(output) if row["split"] == "validation"]
    assert len(found) == 2
    for row in found:
        assert "shapes/ap" in row and "shapes/ap_small" not in row
    kept = checkpoint(output / "best.pt")
    assert "shapes/ap_small" not in kept["metrics"]
    assert checkpoint(output / "last.pt")["best"] == -math.inf
    last = checkpoint(output / "last.pt")["model"]
    assert all(torch.equal(last[name], x) for name, x in kept["model"].items())
