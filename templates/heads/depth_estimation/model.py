# ==== classes


# ---- Depth head: the depth of every pixel ----


class DepthHead(nn.Module):
    """Depth (B, 1, h, w) in the cells of the finest level that it reads, between
    `nearest` and `farthest`."""

    def __init__(
        self, inputs: tuple[int, ...], channels: int, nearest: float, farthest: float
    ):
        super().__init__()
        self.nearest, self.farthest = nearest, farthest
        self.decoder = MapDecoder(inputs, channels)
        self.share = nn.Conv2d(channels, 1, 1)  # 0 nearest, 1 farthest

    def forward(self, *levels: Tensor) -> Tensor:
        share = self.share(self.decoder(*levels)).float().sigmoid()
        return self.nearest + (self.farthest - self.nearest) * share


# ==== losses


def depth_loss(
    depth: Tensor, targets: dict[str, Tensor], least: float
) -> dict[str, Tensor]:
    """Returns "log", the scale-invariant error of log depth (SILog,
    https://arxiv.org/abs/1406.2283): one factor all over an image counts half.
    `targets` holds "depth" (B, H, W), -1 where unknown; depths below `least` count as
    that."""
    truth = targets["depth"]
    known = truth >= 0
    depth = F.interpolate(depth, truth.shape[1:], mode="bilinear")[:, 0]
    error = depth.clamp(min=least).log() - truth.clamp(min=least).log()
    error = torch.where(known, error, 0.0)
    pixels = known.sum((1, 2)).clamp(min=1)  # an image may have none
    mean, square = error.sum((1, 2)) / pixels, error.square().sum((1, 2)) / pixels
    images = global_count(known.any(2).any(1).sum())
    return {"log": (square - SCALE_INVARIANCE * mean.square()).sum() / images}
