"""Emitted backbone and neck against timm's ResNet-18 under a plain pyramid network.

    python benchmarks/model_speed.py --pairs 20 --batch-size 4

Forward and backward, eager, float32, one thread, the same input. Needs timm.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from emitted import MODEL, load
from pairs import cost, interleave, parser, ratios, report
from torch import Tensor, nn

BAR = 0.99  # least speed relative to timm


class PlainFPN(nn.Module):
    """Levels 3..7 in the manner of torchvision's, over lists of levels."""

    def __init__(self, widths: list[int], channels: int):
        super().__init__()
        self.inner = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.outer = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in widths
        )
        self.p6 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        last = self.inner[-1](features[-1])
        results = [self.outer[-1](last)]
        for index in reversed(range(len(features) - 1)):
            lateral = self.inner[index](features[index])
            last = lateral + F.interpolate(last, size=lateral.shape[-2:])
            results.insert(0, self.outer[index](last))
        p6 = self.p6(results[-1])
        return [*results, p6, self.p7(F.relu(p6))]


def import_timm():
    """timm, also under a torchvision that was built for another torch."""
    if importlib.util.find_spec("timm") is None:
        sys.exit("timm is missing: pip install timm (with --no-deps if torch is there)")
    library = torch.library.Library("torchvision", "DEF")
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        library.define(name + boxes)
    import timm

    return timm, library  # the operators live as long as the library


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--batch-size", type=int, default=4)
    arguments.add_argument("--model", type=Path, default=MODEL, help="emitted model.py")
    options = arguments.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    timm, _library = import_timm()
    emitted = load(options.model)
    detector = emitted.Detector()
    trunk = timm.create_model("resnet18", features_only=True, out_indices=(2, 3, 4))
    pyramid = PlainFPN(trunk.feature_info.channels(), emitted.CHANNELS)
    images = torch.randn(options.batch_size, 3, emitted.HEIGHT, emitted.WIDTH)

    def ours() -> None:
        levels = detector.neck(*detector.backbone(images))
        sum(level.mean() for level in levels).backward()

    def theirs() -> None:
        sum(level.mean() for level in pyramid(trunk(images))).backward()

    emitted_costs, timm_costs = interleave(
        lambda: cost(ours), lambda: cost(theirs), options.pairs
    )
    report("emitted backbone + neck", emitted_costs, "s")
    report("timm backbone + plain FPN", timm_costs, "s")
    speed = ratios(timm_costs, emitted_costs)
    return 0 if report("emitted speed / timm speed", speed, at_least=BAR) else 1


if __name__ == "__main__":
    sys.exit(main())
