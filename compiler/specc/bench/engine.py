"""Runs and times the model of an output folder in one engine (see workers.py).

`python engine.py SETUP` takes JSON, and answers on stdout with a line of JSON: what it
runs, or why it cannot. Each line of stdin, {"batch": B, "budget": S}, is then answered
with the seconds of each of the predictions for B images that S seconds allow, at least
one. It imports nothing of specc, as emitted code does not, and no library that the
engine does without.
"""

import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

IMPORTING = Path(__file__).parents[1] / "timm" / "importing.py"
COMPILERS = ("g++", "clang++", "c++")  # torch.compile looks for one, on a CPU


class Skipped(Exception):
    """The engine cannot run here; the message says why."""


def load(name: str, path: Path):
    """Imports a module from its file."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def needed(name: str):
    """Imports a package. Raises Skipped."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Skipped(f"{name} is not installed") from None


# ---- PyTorch ----


def eager(setup: dict) -> tuple[Callable, str]:
    """Returns `predict` of the folder's model.py, of an array, and torch's version."""
    torch = needed("torch")
    torch.set_num_threads(setup["threads"])
    if setup["timm"]:
        load("importing", IMPORTING).import_timm()
    module = load("model", Path(setup["folder"], "model.py"))
    device = torch.device(setup["device"])
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Skipped("this PyTorch finds no GPU")
    torch.manual_seed(0)
    model = model_class(module)()
    if setup["weights"]:
        found = torch.load(setup["weights"], map_location="cpu", weights_only=True)
        model.load_state_dict(found.get("ema", found["model"]))
    model = model.to(device, memory_format=torch.channels_last).eval()
    if setup["kind"] == "compiled":
        model = compiled(torch, model, device)

    def predict(images: np.ndarray) -> None:
        module.predict(model, torch.from_numpy(images))
        if device.type == "cuda":
            torch.cuda.synchronize()

    return predict, f"torch {torch.__version__}"


def model_class(module) -> type:
    """Returns the class that `predict` of a model.py takes."""
    wanted = module.predict.__annotations__["model"]
    return getattr(module, wanted) if isinstance(wanted, str) else wanted


def compiled(torch, model, device):
    """Returns the model, compiled by its first calls. Raises Skipped."""
    named = os.environ.get("CXX")
    found = [x for x in (named, *COMPILERS) if x and shutil.which(x)]
    if device.type == "cpu" and not found:
        raise Skipped(f"no C++ compiler is found: {', '.join(COMPILERS)}")
    return torch.compile(model, dynamic=False)


# ---- Files of export.py ----


def onnxruntime(setup: dict) -> tuple[Callable, str]:
    """Returns the prediction of a file by ONNX Runtime, and its version."""
    library = needed("onnxruntime")
    provider = "CUDA" if setup["device"] == "cuda" else "CPU"
    provider = f"{provider}ExecutionProvider"
    if provider not in library.get_available_providers():
        raise Skipped(f"this ONNX Runtime has no {provider}")
    options = library.SessionOptions()
    options.intra_op_num_threads = setup["threads"]
    session = library.InferenceSession(setup["file"], options, providers=[provider])
    facts = session.get_modelmeta().custom_metadata_map
    refuse_other_job(setup, facts.get("specc.job"))
    given = session.get_inputs()[0].name
    return lambda images: session.run(None, {given: images}), (
        f"onnxruntime {library.__version__}"
    )


def openvino(setup: dict) -> tuple[Callable, str]:
    """Returns the prediction of a file by OpenVINO on the CPU, and its version."""
    library = needed("openvino")
    if setup["device"] == "cuda":
        raise Skipped("OpenVINO runs on the CPU")
    core = library.Core()
    model = core.read_model(setup["file"])
    place = ["framework", "specc.job"]  # OpenVINO puts the metadata of ONNX there
    job = model.get_rt_info(place).astype(str) if model.has_rt_info(place) else None
    refuse_other_job(setup, job)
    # In the numbers of the file: OpenVINO takes 16 bits by itself where a CPU has them.
    how = {"INFERENCE_NUM_THREADS": setup["threads"], "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(
        model, "CPU", how | {"INFERENCE_PRECISION_HINT": "f32"}
    )
    version = library.__version__.partition("-")[0]
    return lambda images: compiled([images]), f"openvino {version}"


def refuse_other_job(setup: dict, job: str | None) -> None:
    """Raises Skipped for a file whose heads are not those of the folder."""
    if job is None:
        raise Skipped("the file is none of export.py: it names no job")
    if json.loads(job)["model"] != setup["model"]:
        raise Skipped("the file is of another model: export it again")


# ---- The process ----

KINDS = {
    "eager": eager,
    "compiled": eager,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}


def timed(call: Callable, budget: float) -> list[float]:
    """Returns the seconds of each call, of which one may exceed the budget."""
    seconds: list[float] = []
    while not seconds or sum(seconds) < budget:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def reason(error: Exception) -> str:
    """Returns the first line of an error's message, with its type."""
    text = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {text}".rstrip(": ")[:300]


def main(setup: dict) -> None:
    # What libraries print goes to stderr: stdout has the answers alone.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answer = partial(print, file=answers)
    try:
        predict, version = KINDS[setup["kind"]](setup)
    except Skipped as error:
        answer(json.dumps({"skipped": str(error)}))
        return
    except Exception as error:  # libraries raise many kinds of errors
        answer(json.dumps({"failed": reason(error)}))
        return
    answer(json.dumps({"version": version}))
    pictures = np.random.default_rng(0)
    images: dict[int, np.ndarray] = {}
    for line in sys.stdin:
        wanted = json.loads(line)
        batch = wanted["batch"]
        if batch not in images:
            size = (batch, *setup["image"])
            images[batch] = pictures.integers(0, 256, size, np.uint8)
        try:
            seconds = timed(lambda: predict(images[batch]), wanted["budget"])
            answer(json.dumps({"seconds": seconds}))
        except Exception as error:
            answer(json.dumps({"failed": reason(error)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
