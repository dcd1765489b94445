"""Each folder of generated/ is a test by existing: a job beside what it compiles to."""

from __future__ import annotations

import ast
import functools
import importlib
import io
import json
import re
import sys
from pathlib import Path

import black
import pytest
import torch
from emitted_jobs import compile_raw
from pyflakes.api import check as pyflakes
from pyflakes.reporter import Reporter

import specc
from specc import cli
from specc.build import Compiled, as_values, compile_job
from specc.emit.format import MODE
from specc.folder import jobfiles, record
from specc.folder.jobfiles import Wanted
from specc.folder.output import output_of
from specc.plan.extras import Extras

GENERATED = Path(__file__).parent.parent / "generated"
FOLDERS = sorted(path for path in GENERATED.iterdir() if path.is_dir())
MODULES = (
    "checkpoints",
    "data",
    "dataset",
    "draw",
    "evaluate",
    "model",
    "safety",
    "predict",
    "train",
)
KEEPING = {"photos"}  # they keep what was read in a file, by samples.py
OWN = {*MODULES, "runtime", "samples"}
TESTED = {"blood-cells", "shapes-and-scenes"}  # they are built with a contract
LEFT_BY_USE = {"__pycache__", "runs", "predictions"}
DISTRIBUTIONS = {  # module -> distribution, where the names differ
    "cv2": "opencv-python-headless",
    "faster_coco_eval": "faster-coco-eval",
    "PIL": "pillow",
    "yaml": "PyYAML",
}
MOVING = {
    "absolute path": r"(?<![\w:./])/(home|root|work|usr|tmp|Users|var)\b|\b[A-Z]:\\",
    "date": r"\b20\d\d-\d\d-\d\d\b",
    "time": r"\b\d\d:\d\d:\d\d\b",
    "hash": r"\b[0-9a-f]{32,}\b",
}

CHOSEN = re.compile(r"""[\s,()'"\\]""")

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


@functools.lru_cache
def compiled(folder: Path) -> Compiled:
    """Not formatted, which takes most of a build."""
    return compile_raw(
        (folder / "job.json").read_bytes(), Extras(folder.name in TESTED)
    )


def exports(folder: Path) -> bool:
    return json.loads((folder / "job.json").read_text("utf-8")).get("export", False)


def modules(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.py"))}


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder, without what running the emitted code leaves there."""
    paths = ((path, path.relative_to(folder)) for path in folder.rglob("*"))
    return {
        name.as_posix(): path.read_bytes()
        for path, name in paths
        if path.is_file() and not LEFT_BY_USE & set(name.parts)
    }


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    return sorted(
        path
        for path in expected.keys() | found.keys()
        if expected.get(path) != found.get(path)
    )


def test_there_are_examples():
    assert {path.name for path in FOLDERS} >= {"blood-cells", "photos"}


@pytest.mark.slow
@each_folder
def test_the_committed_files_say_what_a_fresh_compile_says(folder):
    """But for what black chooses: blanks, quotes, and brackets and commas of lines."""
    fresh = compiled(folder).files
    for name, text in fresh.items():
        committed = (folder / name).read_text("utf-8")
        if name.endswith(".py"):
            text, committed = (CHOSEN.sub("", x) for x in (text, committed))
        assert text == committed, name
    found = tree(folder)
    written = {x: data for x, data in found.items() if not x.startswith(".specc/")}
    assert written.keys() == {*fresh, "job.json", ".gitattributes"}
    recorded = record.record_of(written, as_values(compiled(folder).job))
    assert differences(written | recorded, found) == []


@pytest.mark.slow
@pytest.mark.sample("house-prices", "melodies", "micrographs", "shapes-panoptic")
@each_folder
def test_the_committed_files_are_what_a_fresh_compile_gives(folder):
    file = jobfiles.open_job(str(folder / "job.json"), None, True, Wanted())
    assert file.folder == folder  # the folder has the job's name
    assert file.extras == Extras(folder.name in TESTED)
    data, extras = (folder / "job.json").read_bytes(), file.extras
    output = output_of(file, compile_job(data, extras))
    expected = output.files | record.record_of(output.files, output.job)
    assert differences(expected, tree(folder)) == []


def test_a_missing_an_extra_and_an_edited_file_are_differences():
    found = {"a.py": b"1", "b.py": b"2"}
    assert differences({"a.py": b"1", "b.py": b"2"}, found) == []
    assert differences({"a.py": b"0", "c.py": b"2"}, found) == ["a.py", "b.py", "c.py"]


@pytest.mark.slow
def test_a_strict_check_finds_nothing_to_build():
    """Compares two of them; each is compared with a fresh one above."""
    jobs = [str(folder / "job.json") for folder in FOLDERS if folder.name in TESTED]
    assert cli.run_cli(["build", "--check", "--strict", *jobs]) == 0


# ---- What is read: style ----


@pytest.mark.sample("micrographs", "x-rays", "zebras", rest="slow")
@each_folder
def test_the_code_is_clean(folder):
    texts = modules(folder)
    contract = {"test_contract.py"} if folder.name in TESTED else set()
    export = {"export.py", "runtime.py"} if exports(folder) else set()
    kept = {"samples.py"} if folder.name in KEEPING else set()
    assert texts.keys() == {f"{name}.py" for name in MODULES} | kept | contract | export
    said = io.StringIO()
    for name, text in texts.items():
        pyflakes(text, name, Reporter(said, said))
    assert said.getvalue() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(path, marks=() if path.name in TESTED else pytest.mark.soak)
        for path in FOLDERS
    ],
    ids=lambda path: path.name,
)
def test_black_has_nothing_to_change(folder):
    """Formatted code is as black leaves it: black changes nothing the second time."""
    for name, text in modules(folder).items():
        assert black.format_str(text, mode=MODE) == text, name


@each_folder
def test_no_line_is_longer_than_88_columns(folder):
    long = [
        f"{name}:{number}"
        for name, text in modules(folder).items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > 88 and not line.startswith('WEIGHTS = "https://')
    ]
    assert long == []


@each_folder
def test_nothing_that_changes_between_machines_or_days_is_written(folder):
    for name, text in modules(folder).items():
        assert str(GENERATED.parent) not in text
        assert specc.__version__ not in text, name
        for what, pattern in MOVING.items():
            assert not re.search(pattern, text), f"{name}: {what}"


@pytest.mark.sample(
    "blood-cells",
    "faces",
    "house-prices",
    "nuclei",
    "shapes-panoptic",
    "street-scenes",
    "tiles",
    "vehicles",
    quick=("house-prices",),
)
@each_folder
def test_the_docstring_tells_the_graph(folder):
    """The docstring's figures equal those of the summary and of the model itself."""
    summary = compiled(folder).summary
    docstring = ast.get_docstring(ast.parse(modules(folder)["model.py"]))
    (parameters,) = re.findall(r"^([\d,]+) parameters;", docstring, re.M)
    assert int(parameters.replace(",", "")) == summary.parameters
    with torch.device("meta"):
        model = getattr(load(folder, "model"), compiled(folder).model_class)()
    assert sum(weight.numel() for weight in model.parameters()) == summary.parameters

    rows = {line.split()[0]: line.split()[1:] for line in table(docstring)}
    assert rows["level"] == [str(x.level) for x in summary.levels]
    assert rows["stride"] == [str(x.stride) for x in summary.levels]
    assert rows["size"] == [f"{x.height}x{x.width}" for x in summary.levels]
    made = [str(x.backbone) for x in summary.levels if x.backbone]
    assert rows["backbone"] == made
    fused = [str(x.neck) for x in summary.levels if x.neck]
    assert rows.get("neck", []) == fused
    for head in compiled(folder).job.heads:
        readers = [x for x in summary.levels if head.name in x.heads]
        assert len(rows[head.name]) == len(readers) > 0


def table(docstring: str) -> list[str]:
    return [line for line in docstring.splitlines() if line.startswith("    ")]


# ---- What is imported ----


def imported(text: str) -> set[str]:
    """The top-level modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(node.module.split(".")[0])
    return found


@each_folder
def test_the_code_stands_without_specc(folder):
    texts = modules(folder)
    assert imported(texts["model.py"]) - {"torch"} <= sys.stdlib_module_names
    outside = set()
    for text in texts.values():
        outside |= imported(text) - sys.stdlib_module_names - OWN
    assert "specc" not in outside
    # requirements.txt asks for what is imported; PyTorch's board is tensorboard.
    wanted = {DISTRIBUTIONS.get(name, name) for name in outside} | {"tensorboard"}
    wanted |= {"onnx", "onnxscript"} if exports(folder) else set()  # for torch.onnx
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert {re.split("[<>=]", line)[0] for line in lines} == wanted


def load(folder: Path, name: str):
    """An emitted module that imports no other emitted one, under a name of its own."""
    place = folder / f"{name}.py"
    unique = f"golden_{folder.name}_{name}".replace("-", "_")
    spec = importlib.util.spec_from_file_location(unique, place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.sample(
    "documents", "faces", "melodies", "nuclei", "rooms", "shapes-and-scenes"
)
@each_folder
def test_the_model_can_be_vendored_under_another_name(folder, tmp_path, monkeypatch):
    package = tmp_path / f"product_{folder.name.replace('-', '_')}" / "vision"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "net.py").write_bytes((folder / "model.py").read_bytes())
    for path in folder.glob("*categories.json"):
        (package / path.name).write_bytes(path.read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(f"{package.parent.name}.vision.net")
    job = compiled(folder).job
    with torch.device("meta"):
        model = getattr(module, compiled(folder).model_class)().eval()
        side = max(64, compiled(folder).summary.divisor)
        shape = (1, job.data.channels, side, side)
        outputs = model(torch.zeros(shape, dtype=torch.uint8))
    assert outputs is not None
    assert "model" not in sys.modules
