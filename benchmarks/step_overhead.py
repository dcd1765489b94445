"""The emitted training loop's step against the bare step of the same model.

    python benchmarks/step_overhead.py --pairs 40

Between the steps of the emitted train.py (the demo's job, data loading in a worker), a
twin of the model does forward, loss, backward and AdamW on the batch just seen. Costs
are those of this process: what the loop adds is clipping, schedule, logging, transfer.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from pathlib import Path

import torch
from emitted import build_demo, train
from pairs import parser, ratios, report

BAR = 1.03
WARM_UP = 5  # steps


class Watch:
    """Times the loop from a forward to the next, and a bare step between the two."""

    def __init__(self):
        self.loop: list[float] = []
        self.bare: list[float] = []
        self.batch = None
        self.resumed = 0.0

    def before_step(self, model, images) -> None:
        now = time.process_time()
        if self.batch is None:
            self._copy(model)
        else:
            self.loop.append(now - self.resumed)
            start = time.process_time()
            self._bare_step(*self.batch)
            self.bare.append(time.process_time() - start)
        self.batch = [images, None]
        self.resumed = time.process_time()

    def before_loss(self, targets) -> None:
        if self.batch[1] is None:  # else it is the loss of a validation
            self.batch[1] = targets

    def _copy(self, model) -> None:
        self.model = copy.deepcopy(model)
        self.loss = sys.modules["model"].detection_loss.__wrapped__
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4, fused=True)
        self.forward = type(model).forward.__wrapped__

    def _bare_step(self, images, targets) -> None:
        losses = self.loss(self.forward(self.model, images), targets)
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        self.optimizer.step()


def main() -> int:
    options = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    watch = Watch()
    with tempfile.TemporaryDirectory() as scratch:
        code = build_demo(Path(scratch))
        steps = options.pairs + WARM_UP + 1
        flags = ["--workers", "1", "--threads", "1"]
        train(code, steps, watch.before_step, watch.before_loss, flags)
    loop, bare = watch.loop[WARM_UP:], watch.bare[WARM_UP:]
    report("step of the emitted loop", loop, "s")
    report("bare step", bare, "s")
    return 0 if report("loop / bare", ratios(loop, bare), at_most=BAR) else 1


if __name__ == "__main__":
    sys.exit(main())
