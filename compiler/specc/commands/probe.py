"""Describes the emitted model, in a process of its own (see verify.py).

`python probe.py MODEL_PY CLASS HEIGHT WIDTH CHANNELS [timm]` prints one line of JSON.
It imports nothing of specc, as the emitted code does not. With `timm` the model needs
timm: specc's timm/importing.py, read from its file, then imports timm.
"""

import importlib.util
import json
import sys
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit(3)


_IMPORTING = Path(__file__).parents[1] / "timm" / "importing.py"


def load_class(path, name):
    return getattr(load("emitted_model", path), name)


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def shapes(value):
    """Returns nested outputs with each tensor replaced by its shape without the
    batch."""
    if isinstance(value, torch.Tensor):
        return list(value.shape[1:])
    if isinstance(value, dict):
        return {key: shapes(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return shapes(value._asdict())
    return [shapes(item) for item in value]


def main(path, name, height, width, channels, *libraries):
    if libraries:
        load("importing", _IMPORTING).import_timm()
    with torch.device("meta"):
        model = load_class(path, name)().eval()
        images = torch.zeros(1, channels, height, width, dtype=torch.uint8)
        with torch.no_grad():
            outputs = model(images)
    found = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "state": {key: list(value.shape) for key, value in model.state_dict().items()},
        "outputs": shapes(outputs),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:6]), *sys.argv[6:])
