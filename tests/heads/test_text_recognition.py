"""Both text heads: the emitted model, labels, metrics and drawings."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import build, compile_raw, load_all, write
from interpreter import random_state, run
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from specc.build import analyze
from specc.commands import verify
from specc.graph.levels import prune
from specc.language.load import load
from specc.resolve import resolve

TASKS = ("scene_text_recognition", "autoregressive_text_recognition")
MODULES = ("model", "dataset", "data", "evaluate", "draw")
END = 3  # after the tokens a, b and c
LETTERS = "abc"


def job_of(task, data=None, backbone=None, **head) -> dict:
    head = {"name": "word", "task": task, "tokens": LETTERS, "max_tokens": 4} | head
    sets = {"train": "train", "validation": "val", "resolution": [32, 64]}
    backbone = backbone or {"top_level": 3}
    return {
        "name": "words",
        "data": sets | (data or {}),
        "model": {"backbone": backbone, "heads": [head]},
    }


@pytest.fixture(scope="module")
def emit(tmp_path_factory):
    """Builds and imports: emit(task, **options of the head) -> modules by name."""
    made = {}

    def get(task=TASKS[0], **options):
        job = job_of(task, **options)
        key = json.dumps(job)
        if key not in made:
            folder = build(job, tmp_path_factory.mktemp("text"))
            made[key] = vars(load_all(folder, *MODULES))
        return made[key]

    return get


# ---- The model is the graph's ----

SIZES = [{}, {"layers": 2, "width": 64, "attention_heads": 2, "max_tokens": 1}]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("sizes", SIZES)
def test_keys_shapes_and_costs_are_the_graphs(task, sizes, tmp_path):
    compiled = compile_raw(json.dumps(job_of(task, **sizes)).encode())
    module = load_all(write(compiled, tmp_path), "model").model
    with torch.device("meta"):
        model = module.TextReader().eval().requires_grad_(False)
        images = torch.zeros(2, 3, 32, 64, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter:
            output = model(images)
    found = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "state": {key: list(value.shape) for key, value in model.state_dict().items()},
        "outputs": list(output.shape[1:]),
    }
    assert verify.compare(compiled.summary, found) == []
    assert counter.get_total_flops() == 2 * len(images) * compiled.summary.macs


@pytest.mark.parametrize("sizes", SIZES)
def test_the_parallel_head_computes_what_the_graph_says(emit, sizes):
    """The positions of the cells included, which the interpreter makes its own way."""
    _, graph, _ = analyze(json.dumps(job_of(TASKS[0], **sizes)).encode())
    graph = prune(graph)
    state = random_state(graph)
    model = emit(TASKS[0], **sizes)["model"].TextReader().eval()
    model.load_state_dict(state)
    torch.manual_seed(0)
    images = torch.randint(256, (2, 3, 32, 64), dtype=torch.uint8)
    with torch.no_grad():
        found = model(images)
        results = run(graph, state, (images - model.mean) / model.std)
    expected = results[graph.graph["outputs"]["head"]["logits"]]
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_greedy_decoding_is_teacher_forcing_by_its_own_tokens(emit):
    torch.manual_seed(0)
    model = emit(TASKS[1], layers=2)["model"].TextReader().eval()
    for weight in model.head.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.3)  # makes texts differ
    images = torch.randint(256, (4, 3, 32, 64), dtype=torch.uint8)
    with torch.no_grad():
        greedy = model(images)
        tokens = greedy.argmax(2)
        forced = model(images, {"word": {"tokens": tokens}})
        assert len(set(map(tuple, tokens.tolist()))) > 1
        torch.testing.assert_close(forced, greedy)
        # A place knows the tokens before it, and none from its own on.
        changed = tokens.clone()
        changed[:, 2:] = (changed[:, 2:] + 1) % 4
        other = model(images, {"word": {"tokens": changed}})
    torch.testing.assert_close(other[:, :3], greedy[:, :3])
    assert not torch.allclose(other[:, 3:], greedy[:, 3:])


@pytest.mark.parametrize("task", TASKS)
def test_images_may_have_any_size(emit, task):
    backbone = {"top_level": 3, "resize_input": False}
    module = emit(task, backbone=backbone)["model"]
    model = module.TextReader().eval()
    images = torch.zeros(1, 3, 50, 90, dtype=torch.uint8)
    assert module.predict(model, images)["word"]["tokens"].shape == (1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_an_exported_model_reads_the_same(emit, task):
    model = emit(task)["model"].TextReader().eval()
    torch.manual_seed(0)
    images = torch.randint(256, (1, 3, 32, 64), dtype=torch.uint8)
    with torch.no_grad():
        exported = torch.export.export(model, (images,)).module()
        torch.testing.assert_close(exported(images), model(images))


# ---- Loss and decoding ----


def logits_of(tokens: list[int], probability: float) -> torch.Tensor:
    """Each place gives its token this probability, and the others the rest evenly."""
    rest = math.log((1 - probability) / 3)
    logits = torch.full((1, len(tokens), 4), rest)
    logits[0, range(len(tokens)), tokens] = math.log(probability)
    return logits


def test_the_loss_is_a_mean_over_a_text_and_its_first_end(emit):
    module = emit()["model"]
    texts = torch.tensor([[0, 1, END, END, END], [END] * 5, [2, 1, 0, 2, END]])
    logits = torch.cat(
        [
            # What stands after the first end does not count.
            torch.cat([logits_of([0, 1, END], 0.5), logits_of([0, 0], 0.9)], 1),
            logits_of([END, 0, 1, 2, 0], 0.25),
            logits_of([2, 1, 0, 2, END], 0.8),
        ]
    )
    loss = module.text_loss(logits, {"tokens": texts})["token"]
    expected = -(math.log(0.5) + math.log(0.25) + math.log(0.8)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "places, tokens, counted",
    [
        ([0, 1, END, 2, 0], [0, 1, END, END], 3),
        ([END, 1, 1, 1, 1], [END] * 4, 1),
        ([2, 2, 2, 2, END], [2, 2, 2, 2], 5),
        ([2, 2, 2, 2, 2], [2, 2, 2, 2], 5),  # no end is found
    ],
)
def test_a_text_goes_to_its_first_end(emit, places, tokens, counted):
    found = emit()["model"].decode_text(logits_of(places, 0.7))
    assert found["tokens"].tolist() == [tokens]
    assert found["score"].item() == pytest.approx(0.7**counted, rel=1e-5)


# ---- Labels ----


def written(folder, texts, **metadata):
    (folder / "images").mkdir(parents=True)
    for name in ("0.png", "1.png"):
        Image.new("RGB", (40, 30)).save(folder / "images" / name)
    entry = {"task": "scene text recognition", "tokens": LETTERS}
    entry["annotations"] = "texts.yaml"
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry | metadata))
    texts = texts if isinstance(texts, str) else yaml.safe_dump(texts)
    (folder / "texts.yaml").write_text(texts)
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_texts_and_lists_of_tokens_are_read(emit, task, tmp_path):
    folder = written(tmp_path / "set", {"0.png": "cab", "1.png": ["b"]})
    first, second = emit(task)["dataset"].read_dataset(folder)
    assert first.labels == {"word": [2, 0, 1, END, END]}
    assert second.labels == {"word": [1, END, END, END, END]}


def test_the_datasets_tokens_may_be_a_list_and_in_another_order(emit, tmp_path):
    folder = written(tmp_path / "set", {"0.png": "abc"}, tokens=["c", "b", "a"])
    (sample,) = emit()["dataset"].read_dataset(folder)
    assert sample.labels["word"] == [0, 1, 2, END, END]


def test_a_text_may_be_empty_or_as_long_as_the_longest(emit, tmp_path, capsys):
    modules = emit()
    folder = written(tmp_path / "set", {"0.png": "", "1.png": "aabb"})
    samples = modules["dataset"].read_dataset(folder)
    batch = modules["data"].stack_texts([one.labels["word"] for one in samples])
    assert batch["tokens"].tolist() == [[END] * 5, [0, 0, 1, 1, END]]
    folder = written(tmp_path / "other", {"0.png": None, "1.png": []})
    (sample,) = modules["dataset"].read_dataset(folder)
    assert sample.labels["word"] == [END] * 5
    assert "images left out: null: 1" in capsys.readouterr().err


def test_tokens_of_several_characters_are_lists(emit, tmp_path):
    modules = emit(tokens=["do", "re", "mi"])
    folder = written(
        tmp_path / "set", {"0.png": ["mi", "do"]}, tokens=["do", "re", "mi"]
    )
    (sample,) = modules["dataset"].read_dataset(folder)
    assert sample.labels["word"] == [2, 0, END, END, END]
    assert modules["draw"].labels_of(sample) == {"word": {"text": ["mi", "do"]}}
    results = {"tokens": torch.tensor([[1, 2, END, END]]), "score": torch.tensor([0.5])}
    found = modules["evaluate"].to_annotations({"word": results}, 0)
    assert found == {"word": {"text": ["re", "mi"], "score": 0.5}}


WRONG = {
    "too long": ("0.png: abcab", "0.png: 5 tokens, the job's max_tokens is 4"),
    "unknown": ("0.png: abd", "0.png: not a token of the job: 'd' in 'abd'"),
    "number": ("0.png: 777", "0.png: not a text in quotes or a list of tokens: 777"),
    "a text": ("0.png: 0777", "0.png: not a token of the job: '0' in '0777'"),
    "mapping": ("0.png: {a: b}", "0.png: not a text in quotes or a list of tokens"),
    "nested": ("0.png: [a, [b]]", "0.png: not a token of the job: \"['b']\""),
    "no image": ("7.png: a", "7.png: no such image"),
}


@pytest.mark.parametrize("texts, said", WRONG.values(), ids=WRONG)
def test_a_wrong_text_is_named_with_its_file(emit, tmp_path, texts, said):
    folder = written(tmp_path / "set", f"1.png: ab\n{texts}\n")
    with pytest.raises(SystemExit) as end:
        emit()["dataset"].read_dataset(folder)
    assert f"{folder}: problems: 1" in str(end.value) and said in str(end.value)


@pytest.mark.parametrize(
    "metadata, said",
    [
        ({"tokens": "abd"}, "the tokens differ from the job's"),
        ({"tokens": 123}, "`tokens` is not a list, or a text in quotes: 123"),
        ({"tokens": None}, "`tokens` is not a list, or a text in quotes: None"),
        ({"task": "object detection"}, "no entry with `task: scene text recognition`"),
    ],
)
def test_wrong_metadata_is_named(emit, tmp_path, metadata, said):
    folder = written(tmp_path / "set", {"0.png": "ab"}, **metadata)
    with pytest.raises(SystemExit) as end:
        emit()["dataset"].read_dataset(folder)
    assert said in str(end.value) and "metadata.yaml" in str(end.value)


# ---- Words, metrics, drawings ----


@pytest.mark.parametrize(
    "one, other, edits",
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("abc", "bca", 2),
        (["do", "re"], ["re"], 1),
        ("aab", "ab", 1),
    ],
)
def test_edit_distances(emit, one, other, edits):
    distance = emit()["evaluate"].edit_distance
    assert distance(one, other) == distance(other, one) == edits


def test_metrics_of_texts(emit):
    metrics = emit()["evaluate"].text_metrics
    found = metrics(["abc", "", "ab"], ["abc", "a", "b"])
    assert found == {"exact_match": 1 / 3, "character_error_rate": 2 / 5}
    nothing = metrics(["", ""], ["", "ab"])
    assert nothing == {"exact_match": 1 / 2}  # no token to be wrong


def test_a_text_is_drawn_below_the_image(emit):
    draw = emit()["draw"].draw
    image = np.full((30, 60, 3), 90, np.uint8)
    drawn = draw(image, {"word": {"text": "abc", "score": 0.5}})
    factor = drawn.shape[1] // 60
    above = drawn[: 30 * factor]
    assert (above == 90).all()
    band = drawn[30 * factor :]
    assert band.min() < 60 and band.max() == 255
    empty = draw(image, {"word": {"text": ""}})
    assert empty.shape == drawn.shape and empty[30 * factor :].min() == 255


# ---- Defaults ----


def augmentation_of(**data):
    job = job_of(TASKS[1], data=data)
    return resolve(load(json.dumps(job).encode())).data.augmentation


def test_text_is_neither_mirrored_nor_cropped_unless_asked_for():
    found = augmentation_of()
    assert not found.horizontal_flip and found.scale == 0 and found.color == 0.2
    given = {"horizontal_flip": True, "scale": 0.1}
    found = augmentation_of(augmentation=given)
    assert found.horizontal_flip and found.scale == 0.1
    assert augmentation_of(augmentation=False) is None


def test_a_text_of_tokens_is_a_list_of_its_characters():
    heads = [
        resolve(load(json.dumps(job_of(TASKS[0], tokens=tokens)).encode())).heads[0]
        for tokens in ("abc", ["a", "b", "c"])
    ]
    assert heads[0] == heads[1] and heads[0].tokens == ("a", "b", "c")


@pytest.mark.slow
def test_two_text_heads_have_tokens_of_their_own(tmp_path):
    job = job_of(TASKS[0])
    other = {"name": "notes", "task": TASKS[1], "tokens": ["do", "re"], "max_tokens": 2}
    job["model"]["heads"].append(other)
    modules = vars(load_all(build(job, tmp_path), *MODULES))
    model = modules["model"].Network().eval()
    outputs = model(torch.zeros(2, 3, 32, 64, dtype=torch.uint8))
    assert outputs["word"].shape == (2, 5, 4) and outputs["notes"].shape == (2, 3, 3)
    results = {
        "word": {"tokens": torch.tensor([[0, 2, 3, 3]]), "score": torch.ones(1)},
        "notes": {"tokens": torch.tensor([[1, 0]]), "score": torch.ones(1)},
    }
    words = modules["evaluate"].to_annotations(results, 0)
    assert words["word"]["text"] == "ac" and words["notes"]["text"] == ["re", "do"]
    image = modules["draw"].draw(np.zeros((40, 80, 3), np.uint8), words)
    assert cv2.mean(image)[0] > 0
