"""`specc bench`: engines measured in turn, each in a process of its own."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from emitted_jobs import make
from processes import python

from specc.bench import rounds, workers
from specc.cli import run_cli

HEAD = {
    "name": "kind",
    "task": "multiclass_classification",
    "categories": ["a", "b"],
}
QUICK = ["--rounds", "2", "--threads", "1", "--no-compiled", "--batch", "2"]

# ---- Rounds ----


def test_a_ratio_is_the_median_of_those_of_the_same_round():
    found = rounds.ratio(of=[1.0, 4.0, 30.0], to=[2.0, 4.0, 10.0])
    assert found == {"median": 1.0, "low": 0.5, "high": 3.0}
    assert rounds.ratio(of=[3.0, 6.0], to=[1.0, 2.0])["low"] == 3.0


def test_the_interval_is_narrower_than_the_values_and_repeats():
    values = [float(x) for x in range(100)]
    low, high = rounds.interval(values)
    assert 30 < low < 49.5 < high < 70
    assert rounds.interval(values) == (low, high)


class Asked:
    """A worker that always takes as long, and notes whose turn it was."""

    turns: list[str] = []
    runs = True

    def __init__(self, name: str, seconds: float):
        self.name, self.taken = name, seconds

    def seconds(self, batch: int, budget: float) -> list[float]:
        if budget:
            self.turns.append(self.name)
        return [self.taken] if self.taken else []


def test_engines_run_in_turn_and_one_that_fails_is_left_out():
    Asked.turns = []
    asked = [Asked("one", 1.0), Asked("broken", 0), Asked("two", 2.0)]
    told: list[str] = []
    found = rounds.measure(asked, batch=1, rounds=3, tell=told.append)
    assert told[0] == "one: first calls, of 1" and told[-1] == "3 rounds"
    assert found == {"one": [1.0] * 3, "two": [2.0] * 3}
    assert Asked.turns == ["one", "two", "two", "one", "two", "one"]


def test_a_process_that_dies_says_how(tmp_path, monkeypatch):
    script = tmp_path / "engine.py"
    script.write_text("import sys\nsys.exit('no room left')\n")
    monkeypatch.setattr(workers, "SCRIPT", script)
    worker = workers.Worker(workers.Engine("one", "eager"), {"threads": 1})
    assert not worker.runs and worker.failed == "no room left"
    assert worker.seconds(batch=1, budget=0) == []
    worker.end()


# ---- The command ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a small classifier."""
    return make(tmp_path_factory.mktemp("built"), [HEAD], resolution=[32, 32])


def onnx_file(path: Path, job: str | None) -> Path:
    """A file that means its images, with a job in its metadata, as export.py has it."""
    from onnx import TensorProto, helper

    size = ["batch", 3, "height", "width"]
    given = helper.make_tensor_value_info("images", TensorProto.UINT8, size)
    gives = helper.make_tensor_value_info("mean", TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"]),
    ]
    graph = helper.make_graph(nodes, "means", [given], [gives])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    if job is not None:
        model.metadata_props.add(key="specc.job", value=job)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.slow
def test_the_files_of_export_are_measured_beside_eager(folder, place):
    job = (folder / "resolved.json").read_text("utf-8")
    onnx_file(place / "tested.onnx", job)
    other = json.loads(job)
    other["model"]["heads"][0]["categories"] = ["a", "c"]
    onnx_file(place / "tested.int8.onnx", json.dumps(other))
    words = ["bench", str(folder), *QUICK, "--format", "json"]
    # The command itself never imports PyTorch.
    done = python(
        "-c",
        "import sys; from specc.cli import run_cli; code = run_cli(sys.argv[1:]);"
        " assert not {'torch', 'onnxruntime'} & {*sys.modules}; sys.exit(code)",
        *words,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["image"] == [32, 32] and told["threads"] == 1
    assert told["files"] == ["tested.onnx", "tested.int8.onnx"]
    rows = {row["engine"]: row for row in told["engines"]}
    same = {"median": 1.0, "low": 1.0, "high": 1.0}
    eager = rows["eager"]
    assert eager["latency"]["ratio"] == eager["throughput"]["ratio"] == same
    assert eager["version"].startswith("torch ")
    means = rows["ONNX Runtime, tested.onnx"]
    # A mean takes less than a ResNet-18, in a call and by the second.
    assert 0 < means["latency"]["ratio"]["high"] < 1
    assert means["latency"]["milliseconds"] < eager["latency"]["milliseconds"]
    assert means["throughput"]["ratio"]["low"] > 1
    refused = rows["ONNX Runtime, tested.int8.onnx"]
    assert refused["skipped"] == "the file is of another model: export it again"
    assert refused["latency"] is refused["throughput"] is None
    vino = rows["OpenVINO, tested.onnx"]
    if find_spec("openvino"):
        assert vino["latency"]["ratio"]["high"] < 1
    else:
        assert vino["skipped"] == "openvino is not installed"


@pytest.mark.slow
def test_without_files_and_without_a_compiler_it_says_so(folder, place, capfd):
    given = ["--rounds", "2", "--threads", "1", "--batch", "1", "--image", "16", "24"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(place))
        patch.delenv("CXX", raising=False)
        assert run_cli(["bench", str(folder), *given]) == 0
    out = capfd.readouterr().out
    assert out.startswith("tested: images of 16x24 on the cpu, 1 thread; 2 rounds")
    assert "\neager" in out and "1.00 [1.00, 1.00]" in out
    assert "compiled skipped: no C++ compiler is found" in out
    assert "there is no file of export.py" in out


@pytest.mark.soak
def test_a_compiled_model_is_measured(folder, place, capsys):
    given = ["--rounds", "2", "--threads", "1", "--batch", "1", "--format", "json"]
    assert run_cli(["bench", str(folder), *given]) == 0
    row = json.loads(capsys.readouterr().out)["engines"][1]
    assert row["engine"] == "compiled" and row["latency"]["milliseconds"] > 0


# ---- Bad input ----


def test_a_folder_of_something_else_is_told(place, capsys):
    (place / "run").mkdir()
    for name in ("run", "gone"):
        assert run_cli(["bench", name]) == 1
        said = capsys.readouterr().err
        assert f"error[E446]: `{name}` is no folder of emitted code" in said


@pytest.mark.slow
def test_weights_that_are_none_or_of_another_model_are_told(folder, place, capsys):
    import torch

    assert run_cli(["bench", str(folder), "--weights", "gone.pt"]) == 1
    assert "error[E447]: there is no file `gone.pt`" in capsys.readouterr().err
    torch.save({"model": {"other": torch.zeros(1)}}, place / "other.pt")
    words = ["bench", str(folder), *QUICK, "--weights", "other.pt"]
    assert run_cli(words) == 1
    said = capsys.readouterr().err
    assert "error[E447]" in said and "RuntimeError: Error(s) in loading" in said


@pytest.mark.parametrize("flag", ["--rounds", "--batch", "--threads"])
def test_numbers_that_cannot_be_are_the_users(folder, capsys, flag):
    assert run_cli(["bench", str(folder), flag, "0"]) == 1
    assert f"Invalid value for '{flag}'" in capsys.readouterr().err


@pytest.mark.soak
def test_a_file_of_another_tool_is_skipped(folder, place, capsys):
    path = str(onnx_file(place / "foreign.onnx", None))
    assert run_cli(["bench", str(folder), *QUICK, "--onnx", path]) == 0
    assert "none of export.py: it names no job" in capsys.readouterr().out
