"""Emitted backbones against timm's, one of each family and kind of block.

    python benchmarks/backbone_speed.py
    python benchmarks/backbone_speed.py --pairs 40 --names efficientnet_b4

Batch of 4 at 256x256, float32, eager, two threads: the forward in evaluation, and
forward and backward in training, in processor seconds. Also the time of each build and
the lines of its model.py. Needs timm.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from emitted import load
from model_speed import import_timm
from pairs import cost, interleave, parser, ratios, report

from specc.backbones import TABLES
from specc.build import compile_job

NAMES = (
    *("resnet18", "resnet50", "efficientnet_b0", "efficientnet_b5"),
    *("efficientnetv2_s", "mobilenetv2", "mobilenetv3_large"),
)
BAR = 0.99  # least speed relative to timm
PORTED = {"mobilenetv2_035": {"pad_type": "same", "bn_eps": 1e-3}}  # TensorFlow


def emitted_backbone(name: str, folder: Path) -> torch.nn.Module:
    """The backbone of levels 1..5; says what its build took."""
    head = {"task": "multiclass_classification", "categories": ["a", "b"]}
    heads = [{"name": f"h{k}", "level": k} | head for k in range(1, 6)]
    job = {
        "name": "bench",
        "data": {"train": "train", "resolution": [256, 256]},
        "model": {"backbone": {"name": name}, "heads": heads},
    }
    began = time.process_time()
    text = compile_job(json.dumps(job).encode()).files["model.py"]
    spent = time.process_time() - began
    page = text[text.index("# ---- Backbone") : text.index("# ---- Classification")]
    lines = len(page.splitlines())
    print(f"{name}: built in {spent:.2f} s; the backbone has {lines} lines")
    path = folder / f"{name}.py"
    path.write_text(text)
    return load(path).Network().backbone


def compare(name: str, timm, folder: Path, pairs: int) -> bool:
    ours = emitted_backbone(name, folder)
    theirs = timm.create_model(
        TABLES[name].timm, features_only=True, **PORTED.get(name, {})
    )
    images = torch.randn(4, 3, 256, 256)

    def forward(model: torch.nn.Module) -> None:
        with torch.no_grad():
            model(images)

    def both(model: torch.nn.Module) -> None:
        sum(level.mean() for level in model(images)).backward()

    kept = True
    for what, run, mode in (("forward", forward, False), ("and backward", both, True)):
        ours.train(mode)
        theirs.train(mode)
        mine, other = interleave(
            lambda: cost(lambda: run(ours)), lambda: cost(lambda: run(theirs)), pairs
        )
        speed = ratios(other, mine)
        kept &= report(f"  {what}: speed / timm's", speed, at_least=BAR)
    return kept


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--names", nargs="+", choices=TABLES, default=NAMES)
    options = arguments.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    timm, _library = import_timm()
    with tempfile.TemporaryDirectory() as folder:
        kept = [
            compare(name, timm, Path(folder), options.pairs) for name in options.names
        ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
