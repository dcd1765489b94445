"""Emitted activations of inverted families, out of place, against the same in place.

    python benchmarks/activation_speed.py --pairs 40

Backward needs the input of silu, relu6 and hardswish, so autograd copies it where they
write in place, as timm's do. Two ratios for each: the stem's batch norm with the
activation after it, and the whole emitted backbone, where convolutions dilute the gain.
Forward and backward, 4 images of 128x128, float32, eager, one thread.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
import torch.nn.functional as F
from backbone_speed import emitted_backbone
from pairs import cost, interleave, parser, ratios, report

# Backbones by their activation, and what a batch norm with it shall gain: what a review
# of the emitted code measured, on a CPU.
CASES = {
    "silu": ("efficientnet_b0", 1.05),
    "relu6": ("mobilenetv2", 1.06),
    "hardswish": ("mobilenetv3_large", 1.15),
}


SHAPE = 4, 3, 128, 128


def in_place(module: ModuleType) -> None:
    """Lets the activations of an emitted module write in place."""
    own = {name: functools.partial(getattr(F, name), inplace=True) for name in CASES}
    module.F = SimpleNamespace(**vars(F) | own)


def compare(activation: str, folder: Path, pairs: int) -> bool:
    name, bar = CASES[activation]
    backbone = emitted_backbone(name, folder).train()
    module = sys.modules[type(backbone).__module__]
    images = torch.randn(*SHAPE)
    stem = backbone.conv_stem(images).detach().requires_grad_()

    def after_stem() -> None:
        for _ in range(10):  # a single one is over too soon to be measured
            getattr(module.F, activation)(backbone.bn1(stem)).mean().backward()

    def whole() -> None:
        sum(level.mean() for level in backbone(images)).backward()

    kept = True
    for what, run, least in (("norm", after_stem, bar), ("backbone", whole, None)):

        def emitted(run=run) -> float:
            module.F = F
            return cost(run)

        def copying(run=run) -> float:
            in_place(module)
            return cost(run)

        ours, theirs = interleave(emitted, copying, pairs)
        label = f"  {what}: speed / that in place"
        kept &= report(label, ratios(theirs, ours), at_least=least)
    return kept


def main() -> int:
    options = parser(__doc__).parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        kept = [compare(name, Path(folder), options.pairs) for name in CASES]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
