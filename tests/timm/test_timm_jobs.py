"""Jobs whose backbone is a model of timm: levels, costs, emitted code, what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from emitted_jobs import load
from timm_jobs import (
    MODELS,
    SWIN,
    compiled,
    emitted,
    encoded,
    job_of,
    refused,
    summary_of,
    theirs_of,
    timm,
)
from torch.utils.flop_counter import FlopCounterMode

from specc import cli
from specc.build import analyze
from specc.commands import verify
from specc.commands.show import table
from specc.diagnostics import JobError
from specc.folder import stamps
from specc.graph.cost import receptive_field, summarize
from specc.graph.levels import levels_of, prune
from specc.resources import install
from specc.timm.models import ask, idle_weights

# Maps whose channels are last: the others are alike.
QUICK = (SWIN,)
SOME = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.soak)
    for name in MODELS
]

# ---- The level graph ----


@pytest.mark.sample("convnext_atto")
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_levels_and_costs_are_those_of_a_real_forward(name):
    resolution, _, expected = MODELS[name]
    top = expected[-1][0]
    job, graph, _ = analyze(encoded(name, resolution, head=top))
    found = summarize(job, graph)
    assert [(x.level, x.backbone) for x in found.levels] == expected
    model = ask(f"timm/{name}", (3, *resolution))
    theirs = theirs_of(name, [one.index for one in model.levels]).eval()
    images = torch.zeros(1, 3, *resolution)
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        maps = theirs(images)
    for one, level, x in zip(model.levels, found.levels, maps, strict=True):
        x = x.permute(0, 3, 1, 2) if one.channels_last else x
        assert x.shape[1:] == (level.backbone, level.height, level.width)
        assert level.stride * x.shape[2] == resolution[0]
    assert found.components[0].macs == flops.get_total_flops() // 2
    parameters = sum(weight.numel() for weight in theirs.parameters())
    assert found.components[0].parameters == parameters
    state = {f"backbone.body.{k}": v.shape for k, v in theirs.state_dict().items()}
    ours = {k: v for k, v in found.state.items() if k.startswith("backbone.")}
    assert ours == state


@pytest.mark.slow
def test_each_level_adds_what_a_model_that_ends_there_has():
    for top in (2, 3, 4):
        found = summary_of("convnext_atto", head=top, top_level=5)
        theirs = theirs_of("convnext_atto", (top - 2,))
        weights = sum(weight.numel() for weight in theirs.parameters())
        assert found.components[0].parameters == weights
        assert found.dropped == {"backbone": tuple(range(top + 1, 6))}


@pytest.mark.slow
def test_memory_and_cost_are_near_those_of_our_own_resnet():
    found = summary_of("resnet18", (128, 160), head=5)
    ours = job_of("x", (128, 160), head=5)
    ours["model"]["backbone"]["name"] = "resnet18"
    job, graph, _ = analyze(json.dumps(ours).encode())
    own = summarize(job, graph)
    assert found.parameters == own.parameters and found.macs == own.macs
    assert abs(found.activation_bytes / own.activation_bytes - 1) < 0.02


def test_what_is_opaque_has_no_receptive_field():
    job, graph, _ = analyze(encoded("convnext_atto", neck=(3, 6)))
    assert receptive_field(graph, graph.graph["backbone"][2]) is None
    rows = table(summarize(job, graph)).splitlines()[1:6]
    assert all(row.endswith("?") for row in rows)
    live = prune(graph)
    operations = {
        x.level: name
        for x, name in live.nodes.data("operation")
        if x.component == "backbone"
    }
    assert operations == dict.fromkeys((2, 3, 4, 5), "opaque")


@pytest.mark.soak
def test_weights_that_are_tied_count_once(tmp_path):
    made, model = emitted(tmp_path, "coat_lite_mini", (224, 224), head=5)
    weights = sum(weight.numel() for weight in model.parameters())
    assert made.summary.parameters == weights
    state = {key: value.shape for key, value in model.state_dict().items()}
    assert made.summary.state == state


@pytest.mark.slow
def test_levels_above_the_model_s_are_convolutions():
    found = summary_of("convnext_atto", head=7, top_level=7, resolution=(128, 128))
    assert [(x.level, x.backbone) for x in found.levels[-2:]] == [(6, 320), (7, 320)]
    assert found.state["backbone.down6.0.weight"] == (320, 320, 3, 3)


def test_the_last_of_several_features_of_a_stride_is_taken():
    model = ask("timm/vit_tiny_patch16_224", (3, 224, 224))
    ((level, index),) = [(one.level, one.index) for one in model.levels]
    assert (level, index) == (4, 11)  # the last of twelve blocks


@pytest.mark.slow
def test_the_forward_decides_where_timm_s_table_is_wrong(monkeypatch):
    """The model is a small one that timm tests itself with."""

    def create(*arguments, **keywords):
        net = original(*arguments, **keywords)
        for feature in net.feature_info.info:
            feature["num_chs"] += 1
            feature["reduction"] *= 2
        return net

    original = timm.create_model
    right = ask("timm/test_convnext2", (3, 64, 96))
    ask.cache_clear()
    monkeypatch.setattr(timm, "create_model", create)
    wrong = ask("timm/test_convnext2", (3, 64, 96))
    ask.cache_clear()
    assert wrong == right


@pytest.mark.slow
def test_a_size_that_does_not_halve_evenly_is_what_the_model_makes_of_it():
    found = summary_of("convnext_atto", (100, 130), head=5)
    sizes = [(x.level, x.height, x.width) for x in found.levels]
    assert sizes == [(2, 25, 32), (3, 12, 16), (4, 6, 8), (5, 3, 4)]
    assert found.divisor == 1


# ---- The emitted model ----


@pytest.mark.soak
@pytest.mark.parametrize("name", SOME)
def test_the_emitted_model_is_the_graph_s(name):
    resolution, neck, expected = MODELS[name]
    top = min(neck[1], expected[-1][0])
    verify.verify(compiled(name, resolution, neck, top_level=top))


@pytest.mark.soak
@pytest.mark.parametrize("name", SOME)
def test_features_are_timm_s_and_every_weight_learns(name, tmp_path):
    resolution, neck, _ = MODELS[name]
    top = min(neck[1], 5)
    made, model = emitted(tmp_path, name, resolution, neck, top_level=top)
    known = ask(f"timm/{name}", (3, *resolution)).levels
    read = [one for one in known if neck[0] <= one.level <= top]
    theirs = theirs_of(name, [one.index for one in read]).eval()
    body = model.backbone.body
    missing, _ = body.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing
    images = torch.randn(2, 3, *resolution)
    with torch.no_grad():
        ours, maps = model.eval().backbone(images), theirs(images)
    for one, a, b in zip(read, ours, maps, strict=True):
        b = b.permute(0, 3, 1, 2) if one.channels_last else b
        assert torch.equal(a, b)
    model.train()
    pixels = torch.randint(0, 256, (2, 3, *resolution), dtype=torch.uint8)
    logits, bins, *_ = model(pixels)
    (logits.square().mean() + bins.square().mean()).backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in learning)
    assert sum(p.numel() for p in model.parameters()) == made.summary.parameters


@pytest.mark.slow
def test_blocks_of_levels_above_are_not_kept(tmp_path):
    made, model = emitted(tmp_path, "efficientnet_lite0", head=3, top_level=3)
    assert len(model.backbone.body.blocks) == 3
    assert "del self.body.blocks[3:]" in made.files["model.py"]
    assert not any("blocks.3" in key for key in made.summary.state)


@pytest.mark.slow
def test_a_stem_without_blocks_is_a_backbone_too(tmp_path):
    made, model = emitted(tmp_path, "mobilenetv3_small_050", head=1, top_level=1)
    assert "del self.body.blocks[0:]" in made.files["model.py"]
    assert len(model.backbone.body.blocks) == 0
    weights = sum(weight.numel() for weight in model.parameters())
    assert made.summary.parameters == weights


@pytest.mark.slow
def test_a_model_that_cannot_be_trained_is_refused(monkeypatch):
    def train(self, mode=True):
        raise ValueError("only for prediction")

    idle_weights.cache_clear()
    monkeypatch.setattr(torch.nn.Module, "train", train, raising=True)
    monkeypatch.setattr(torch.nn.Module, "eval", lambda self: self)
    with pytest.raises(JobError) as caught:
        compiled("test_convnext", head=4, top_level=4)
    assert caught.value.diagnostics[0].code == "E222"


@pytest.mark.soak
def test_gray_images_have_one_channel(tmp_path):
    made, model = emitted(tmp_path, "convnext_atto", head=5, gray=1)
    assert "in_chans=1" in made.files["model.py"]
    pixels = torch.zeros(2, 1, 64, 96, dtype=torch.uint8)
    assert model.eval()(pixels).shape == (2, 2)
    assert made.summary.state["backbone.body.stem_0.weight"][1] == 1


@pytest.mark.slow
def test_images_at_their_own_size_are_padded_to_the_highest_stride(tmp_path):
    made, model = emitted(tmp_path, "test_convnext", head=4, resize_input=False)
    assert made.summary.divisor == 16
    module = load(tmp_path / "model.py")
    assert module.DIVISOR == 16
    images = torch.zeros(1, 3, 33, 70, dtype=torch.uint8)
    found = module.predict(model.eval(), images)
    assert found["multiclass_classification"]["probabilities"].shape == (1, 2)


@pytest.mark.slow
def test_the_page_says_what_it_needs():
    files = compiled("convnext_atto", neck=(3, 5)).files
    assert "It needs PyTorch and timm and is yours" in files["model.py"]
    assert files["model.py"].startswith('"""Object detection: convnext_atto of timm ->')
    assert "\nimport timm\n" in files["model.py"]
    assert "timm>=1.0\n" in files["requirements.txt"]
    assert "needs PyTorch and timm |" in files["README.md"]
    assert "pretrained" not in files["model.py"] + files["train.py"]


@pytest.mark.soak
def test_mean_and_deviation_are_the_weights_own():
    inception = compiled("mixer_b16_224", (224, 224), head=4, top_level=4)
    assert "MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)" in inception.files["model.py"]
    clip = ask("timm/vit_base_patch32_clip_224.openai", (3, 224, 224))
    assert clip.mean == (0.4815, 0.4578, 0.4082)


@pytest.mark.slow
def test_the_same_job_gives_the_same_bytes():
    first = compiled("test_convnext", neck=(3, 4), top_level=4)
    for function in (ask, idle_weights):
        function.cache_clear()
    assert compiled("test_convnext", neck=(3, 4), top_level=4).files == first.files


# ---- What is refused (see also rejects/) ----


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_transformer_of_one_stride_serves_no_pyramid(level):
    error = refused("vit_tiny_patch16_224", (224, 224), neck=(level, 5))
    assert error.code == "E223" and "has level 4" in error.message
    assert "bottom_level to 4" in error.help


def test_a_transformer_s_only_level_can_be_read():
    found = summary_of("vit_tiny_patch16_224", (224, 224), head=4, top_level=4)
    assert [(x.level, x.backbone, x.height) for x in found.levels] == [(4, 192, 14)]


@pytest.mark.soak
def test_channels_last_are_turned_only_where_they_are():
    swin = compiled(SWIN, (224, 224), neck=(3, 5)).files["model.py"]
    assert swin.count(".permute(0, 3, 1, 2)") == 3
    other = compiled("convnext_atto", neck=(3, 5)).files["model.py"]
    assert "permute" not in other.split("# ---- Neck")[0]


@pytest.mark.parametrize("missing", ["timm", "torch"])
def test_without_timm_the_extra_is_named(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    ask.cache_clear()
    error = refused("convnext_atto", head=5)
    assert error.code == "E409" and install("timm") in error.help
    what = {"timm": "timm", "torch": "PyTorch"}[missing]
    assert error.message.endswith(f"{what} is not installed")


@pytest.mark.slow
def test_a_broken_installation_is_no_traceback(place, monkeypatch, capsys):
    (place / "blocked").mkdir()
    (place / "blocked" / "timm.py").write_text("raise OSError('no libcudart.so')\n")
    Path("job.json").write_bytes(encoded("convnext_atto", head=5))
    monkeypatch.syspath_prepend(place / "blocked")
    monkeypatch.delitem(sys.modules, "timm")
    ask.cache_clear()
    assert cli.run_cli(["build", "job.json"]) == 1
    said = capsys.readouterr().err
    assert "error[E409]" in said and "no libcudart.so" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "name",
    [
        "x'; import os; '",
        'x"\n',
        "../../etc",
        "{{ 1 }}",
        "hf-hub:a/b",
        "a.b.c",
        "",
        "x" * 200,
    ],
)
def test_hostile_names_are_refused_unasked(name):
    assert refused(name, head=5).code == "E125"


@pytest.mark.parametrize("name", ["__import__", "os.system", "None", "test_vit.x"])
def test_names_that_timm_has_not_are_refused(name):
    assert refused(name, head=5).code == "E221"


def test_a_model_that_cannot_be_asked_is_refused(monkeypatch):
    def create(*arguments, **keywords):
        raise RuntimeError("features_only not implemented for this model.\nmore")

    monkeypatch.setattr(timm, "create_model", create)
    error = refused("convnext_pico", head=5)
    assert error.code == "E222"
    assert error.message.endswith("features_only not implemented for this model")


# ---- The command line ----


@pytest.mark.soak
def test_a_second_build_is_known_from_its_stamp(place, capsys):
    Path("job.json").write_bytes(encoded("test_convnext", head=5))
    assert cli.run_cli(["build", "job.json"]) == 0
    assert stamps.find(place / "generated" / "tried", Path("job.json").read_bytes())
    assert cli.run_cli(["build", "--check", "--strict", "job.json"]) == 0
    assert "up to date" in capsys.readouterr().out


@pytest.mark.slow
def test_graph_and_levels_agree():
    job, graph, _ = analyze(encoded("test_convnext", neck=(3, 6), top_level=6))
    assert levels_of(graph, "backbone") == (2, 3, 4, 5, 6)
    assert {k: x.step for k, x in graph.graph["backbone"].items()} == {
        **dict.fromkeys((2, 3, 4, 5), "body"),
        6: "down6.2",
    }
