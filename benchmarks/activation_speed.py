"""Emitted activations of inverted families, out of place, against the same in place.

    python benchmarks/activation_speed.py --pairs 40

Backward needs the input of silu, relu6 and hardswish, so autograd copies it where they
write in place, as timm's do. Compared are the stem's batch norm and the activation after
it, forward and backward, on maps of 4 images of 256x256, float32, eager, one thread; in a
whole backbone convolutions dilute the gain.
"""

from __future__ import annotations

import functools
import inspect
import sys
import tempfile
from pathlib import Path

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


def compare(activation: str, folder: Path, pairs: int) -> bool:
    name, bar = CASES[activation]
    backbone = emitted_backbone(name, folder).train()
    if f"F.{activation}(x)" not in inspect.getsource(type(backbone)):
        raise SystemExit(f"{name} does not write {activation} out of place any more")
    images = torch.randn(4, 3, 256, 256)
    stem = backbone.conv_stem(images).detach().requires_grad_()
    emitted = getattr(F, activation)
    copying = functools.partial(emitted, inplace=True)

    def run(function) -> None:
        for _ in range(3):  # a single one is over too soon to be measured
            function(backbone.bn1(stem)).mean().backward()

    ours, theirs = interleave(
        lambda: cost(lambda: run(emitted)), lambda: cost(lambda: run(copying)), pairs
    )
    return report("  speed / that in place", ratios(theirs, ours), at_least=bar)


def main() -> int:
    options = parser(__doc__).parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        kept = [compare(name, Path(folder), options.pairs) for name in CASES]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
