"""Hostile weights, images and annotations: refused in a line, and never run."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
import yaml
from emitted_jobs import CLASSES, DETECTION, GENERATED, NAMES, load_all
from hypothesis import given
from hypothesis import strategies as st
from mixtures import QUICK, rendered
from PIL import Image
from runs import run
from small_data import box, native, picture
from test_fuzz import drawn

FOLDERS = sorted(path.parent for path in GENERATED.glob("*/job.json"))

# ---- What emitted code may do ----


def loads(tree: ast.AST) -> list[ast.Call]:
    """Every call that reads a file of tensors."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = ("torch.load", "torch.hub.load_state_dict_from_url")
    methods = {name.rpartition(".")[2] for name in names}
    found = [call for call in calls if getattr(call.func, "attr", None) in methods]
    return [call for call in found if ast.unparse(call.func) in names]


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [QUICK[::16], pytest.param(QUICK, marks=pytest.mark.soak)],
    ids=["a few", "all"],
)
def test_weights_are_read_as_weights_only(choices):
    found = 0
    texts = [path.read_text("utf-8") for path in GENERATED.glob("*/*.py")]
    for choice in choices:
        texts += [t for n, t in rendered(choice).files.items() if n.endswith(".py")]
    for text in texts:
        reads = re.search(r"\b(?:torch\.load|load_state_dict_from_url)\b", text)
        for call in loads(ast.parse(text)) if reads else ():
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            assert ast.unparse(given["weights_only"]) == "True"
            found += 1
        assert "pickle" not in text and "load_from_checkpoint" not in text
    assert found > 2 * len(FOLDERS)


@pytest.mark.slow
@pytest.mark.soak
def test_emitted_code_passes_bandit():
    """With its defaults, and without a comment that silences it; tests are made of
    asserts, and left out, as the records of the same code are."""
    texts = "".join(path.read_text("utf-8") for path in GENERATED.glob("*/*.py"))
    assert "nosec" not in texts
    command = [sys.executable, "-m", "bandit", "--quiet", "--format", "json"]
    done = subprocess.run(
        [
            *command,
            "--exclude",
            "*/test_*.py,*/.specc/*",
            "--recursive",
            str(GENERATED),
        ],
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)
    lines = found["metrics"]["_totals"]["loc"]
    assert lines > 500 * len(FOLDERS) and not found["errors"]
    assert found["results"] == [], done.stdout


class Hostile:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.slow
def test_weights_never_run_code(tmp_path):
    """As the whole file, and as a part of a checkpoint."""
    Image.fromarray(picture()).save(tmp_path / "image.png")
    folder = GENERATED / "blood-cells"
    for number, wrap in enumerate((lambda x: x, lambda x: {"job": x, "model": {}})):
        weights, trace = tmp_path / f"{number}.pt", tmp_path / f"ran{number}"
        torch.save(wrap(Hostile(trace)), weights)
        flags = ["--weights", weights, "--output", tmp_path / "out"]
        done = run(folder, "predict.py", *flags, tmp_path / "image.png", code=1)
        assert not trace.exists()
        assert done.stderr == f"{weights}: not a checkpoint of train.py\n"
        torch.load(weights, weights_only=False)  # the code would have run
        assert trace.exists()


# ---- Names that lead out of a dataset ----


OUTSIDE = (
    *("../secret.png", "a/../../secret.png", "..", "/etc/passwd", "//host/share/x.png"),
    *("..\\secret.png", "a\\..\\..\\secret.png", "\\secret.png", "C:\\secret.png"),
    *("C:secret.png", "\\\\host\\share\\x.png", "a/..\\../secret.png", "c:/x.png"),
)


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_cannot_lead_out_of_a_dataset(emitted, tmp_path, name):
    """On any system: a dataset is one thing to all of them."""
    coco = emitted(DETECTION, format="coco", validation="val.json").dataset
    of_native = emitted(DETECTION, validation="val").dataset
    folder = native(tmp_path / "set", {name: []})
    for stored in (tmp_path / "secret.png", folder / "images" / name):
        if "\\" in name or ":" in name or stored.name == "secret.png":
            stored.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture()).save(stored, "PNG")
    with pytest.raises(SystemExit, match="leads out of") as caught:
        of_native.read_dataset(folder)
    assert f"problems: 1\n  {name}: " in str(caught.value)
    with pytest.raises(SystemExit, match="annotations: leads out of"):
        of_native.read_dataset(native(tmp_path / "named", {}, annotations=name))
    content = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [],
        "categories": [{"id": i, "name": name} for i, name in enumerate(NAMES)],
    }
    (folder / "train.json").write_text(json.dumps(content))
    with pytest.raises(SystemExit, match="leads out of"):
        coco.read_dataset(folder / "train.json")


def test_links_within_a_dataset_are_followed(dataset, tmp_path):
    """Datasets are often made of links; a name alone cannot place one."""
    folder = native(tmp_path / "set", {"linked.png": []})
    (tmp_path / "elsewhere.png").write_bytes((folder / "images" / "0.png").read_bytes())
    (folder / "images" / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    assert len(dataset.read_dataset(folder)) == 1


# ---- Bombs ----


def png(width: int, height: int) -> bytes:
    """A PNG that promises this many pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


BOMBS = [(20_000, 10_001), (60_000, 60_000), (1_000_000, 1_000_000)]


@pytest.mark.parametrize("limit", [1 << 26, 1000, None])
def test_the_limit_of_pillow_is_that_of_the_importer(tmp_path, monkeypatch, limit):
    """It decides neither what is read nor what is refused, and stays as it is."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    dataset = load_all(GENERATED / "blood-cells", "dataset", "data", "predict").dataset
    assert Image.MAX_IMAGE_PIXELS == limit
    (tmp_path / "large.png").write_bytes(png(14_000, 14_000))
    (tmp_path / "bomb.png").write_bytes(png(20_000, 10_001))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dataset.image_size(tmp_path / "large.png") == (14_000, 14_000)
        with pytest.raises(ValueError, match="more than 200,000,000"):
            dataset.image_size(tmp_path / "bomb.png")
    assert Image.MAX_IMAGE_PIXELS == limit


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("width, height", BOMBS)
def test_an_image_bomb_is_refused_by_its_header(dataset, tmp_path, width, height):
    folder = native(tmp_path, {"0.png": [], "bomb.png": []})
    (folder / "images" / "bomb.png").write_bytes(png(width, height))
    with pytest.raises(SystemExit) as caught:
        dataset.read_dataset(folder)
    first, second = str(caught.value).splitlines()
    assert first.endswith("problems: 1") and second.startswith("  bomb.png: ")
    assert "more than 200,000,000" in second or "exceeds limit" in second


def test_a_large_image_is_none(dataset, tmp_path):
    """Images of satellites and scanners, such as 196 megapixels, are read."""
    size = (14_000, 14_000)
    head = struct.pack("<2sIII IiiHH 24x", b"BM", 0, 0, 54, 40, *size, 1, 24)
    (tmp_path / "large.bmp").write_bytes(head)
    assert dataset.image_size(tmp_path / "large.bmp") == size


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_of_a_class_folder_or_of_four_bands_is_refused(emitted, tmp_path):
    folders = emitted(CLASSES, format="folders", validation="val").dataset
    bands = emitted(CLASSES, channels=4, validation="val").dataset
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bomb.png").write_bytes(png(20_000 + number, 20_000))
    with pytest.raises(SystemExit, match="problems: 3\n  a/bomb.png: .*more than"):
        folders.read_dataset(tmp_path)
    with pytest.raises(ValueError, match="more than"):
        bands.image_size(tmp_path / "a" / "bomb.png")


@pytest.mark.slow
def test_a_text_bomb_within_an_image_is_refused(dataset, tmp_path):
    """A compressed comment of a gigabyte."""
    comment = zlib.compress(bytes(1 << 26))
    text = b"Comment\0\0" + comment
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    plain = png(4, 4)
    (tmp_path / "text.png").write_bytes(plain[:33] + chunk + plain[33:])
    with pytest.raises(ValueError, match="not an image"):
        dataset.image_size(tmp_path / "text.png")


def laughs(depth: int, merge: bool = False) -> str:
    """YAML whose every line is ten times the one before: 10^depth values at its end."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x]"]
    for i in range(1, depth):
        aliases = ", ".join([f"*a{i - 1}"] * 10)
        value = f"{{<<: [{aliases}], k{i}: 1}}" if merge else f"[{aliases}]"
        lines.append(f"a{i}: &a{i} {value}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("where", ["labels.yaml", "metadata.yaml"])
def test_a_bomb_of_aliases_is_refused(dataset, tmp_path, where, merge):
    folder = native(tmp_path, {"0.png": []})
    (folder / where).write_text(laughs(30, merge))
    with pytest.raises(SystemExit, match=f"{where}: cannot be read: holds .* values"):
        dataset.read_dataset(folder)


def test_a_value_within_itself_is_refused(dataset, tmp_path):
    with pytest.raises(SystemExit, match="labels.yaml: cannot be read"):
        dataset.read_dataset(native(tmp_path, "0.png: &a [*a]\n"))


def test_honest_aliases_are_read(dataset, tmp_path):
    """PyYAML writes them where two images share a list."""
    shared = [box(1, 2, 30, 20)]
    text = yaml.safe_dump({"0.png": shared, "1.png": shared, "2.png": shared})
    assert text.count("*") == 2
    samples = dataset.read_dataset(native(tmp_path, text))
    assert [len(x.labels["cells"].boxes) for x in samples] == [1, 1, 1]


def test_yaml_builds_plain_values_alone(dataset, tmp_path):
    trace = tmp_path / "ran"
    text = f"0.png: !!python/object/apply:os.mkdir ['{trace}']\n"
    with pytest.raises(SystemExit, match="labels.yaml: cannot be read"):
        dataset.read_dataset(native(tmp_path, text))
    assert not trace.exists()


def test_weights_that_are_a_zip_of_other_things_are_refused(tmp_path):
    """torch.load reads zip files: one without tensors gives no checkpoint."""
    weights = io.BytesIO()
    with zipfile.ZipFile(weights, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 24))
    with pytest.raises(Exception):
        torch.load(io.BytesIO(weights.getvalue()), weights_only=True)


# ---- Annotations of any kind ----


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.dates(),
    st.binary(max_size=4),
    st.text(max_size=6),
    st.sampled_from([*NAMES, "0.png", "../0.png", "category", "bbox"]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(max_size=3) | st.just("bbox"), inner, max_size=3)
    | st.fixed_dictionaries({"category": inner, "bbox": st.lists(inner, max_size=5)}),
    max_leaves=12,
)
IMAGES = st.sampled_from(["0.png", "1.png", "absent.png", 3, None, "../0.png"])


@pytest.mark.slow
def test_any_annotations_are_read_or_told(emitted, tmp_path):
    both = emitted(DETECTION, CLASSES, validation="val").dataset
    folder = native(tmp_path, {})
    outcomes = {True: 0, False: 0}

    @drawn(150, 0)
    @given(st.dictionaries(IMAGES, ANYTHING, max_size=3) | ANYTHING, ANYTHING)
    def test(labels, metadata):
        entry = {"categories": list(NAMES), "annotations": "labels.yaml"}
        tasks = ("object detection", "multiclass classification")
        entries = [entry | {"task": task} for task in tasks]
        (folder / "metadata.yaml").write_text(yaml.safe_dump([metadata, *entries]))
        (folder / "labels.yaml").write_text(yaml.safe_dump(labels))
        try:
            both.read_dataset(folder)
            outcomes[True] += 1
        except SystemExit as error:
            assert str(folder) in str(error)
            outcomes[False] += 1

    test()
    assert outcomes[False] > 50
