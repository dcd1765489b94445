# ==== classes


# ---- Anomaly head: how unlike the normal each pixel is ----


class Anomalies(NamedTuple):
    """Outputs of the head for the cells of its finest level."""

    logits: Tensor  # (B, 1, h, w), of a defect
    calibrated: Tensor  # (B, 1, h, w), the same where 0 is the threshold of an alarm


class AnomalyHead(nn.Module):
    """Tells what is normal from drawn defects, as https://arxiv.org/abs/2108.07610 and
    https://arxiv.org/abs/2104.04015 do, by features of levels that it does not train.

    They are detached: a trunk that could learn would fit the drawn defects, and forget
    what only real ones have.
    """

    def __init__(self, inputs: tuple[int, ...], channels: int):
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width, affine=False), defect_block(width, channels)
            )
            for width in inputs
        )
        around = (defect_block(channels, channels) for _ in range(2))
        self.around = nn.Sequential(*around)
        self.logits = nn.Conv2d(channels, 1, 1)
        self.calibration = Calibration()

    def forward(self, *levels: Tensor) -> Anomalies:
        pairs = zip(self.laterals, levels)
        *finer, x = (lateral(level.detach()) for lateral, level in pairs)
        for level in reversed(finer):
            x = level + F.interpolate(x, scale_factor=2.0, mode="bilinear")
        logits = self.logits(self.around(x)).float()
        return Anomalies(logits, self.calibration(logits))


def defect_block(inputs: int, channels: int) -> nn.Sequential:
    # Its statistics are those of all images: what is normal is so in each of them.
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class Calibration(nn.Module):
    """Statistics of normal images, measured by `calibrate` of evaluate.py."""

    def __init__(self):
        super().__init__()
        self.register_buffer("alarm", torch.zeros(()))  # logit that few of them reach
        self.register_buffer("spread", torch.ones(()))  # from the usual one to there

    def forward(self, logits: Tensor) -> Tensor:
        return (logits - self.alarm) / self.spread


# ==== losses


def anomaly_loss(outputs: Anomalies, targets: dict[str, Tensor]) -> dict[str, Tensor]:
    """Term "defect": cross-entropy of each pixel, which counts by how wrong it is
    (https://arxiv.org/abs/1708.02002); `targets` has "defects" (B, H, W), bool.

    It is divided by the pixels with defects, and by 1 % of all: some have none.
    """
    defects = targets["defects"].float()[:, None]
    logits = F.interpolate(outputs.logits, defects.shape[2:], mode="bilinear")
    loss = F.binary_cross_entropy_with_logits(logits, defects, reduction="none")
    wrong = (logits.sigmoid() - defects).square()
    return {"defect": (wrong * loss).sum() / shared_total((defects + 0.01).sum())}


# ==== decoders


def decode_anomalies(outputs: Anomalies) -> dict[str, Tensor]:
    """Logits (B, 1, h, w), above 0 where there is an alarm (see `scores_of`)."""
    return {"logits": outputs.calibrated}


def scores_of(logits: Tensor) -> dict[str, Tensor]:
    """Returns "map" (B, h, w), scores 0..1 of the pixels of logits (B, 1, h, w), and
    "score" (B,), their maximum; 0.5 or more is an alarm."""
    scores = logits.sigmoid().squeeze(1)
    return {"score": scores.amax((1, 2)), "map": scores}
