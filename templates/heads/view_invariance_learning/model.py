# ==== classes


# ---- View invariance head ----


class Views(NamedTuple):
    """Outputs of the head for each image."""

    representation: Tensor  # (B, channels), what is learned
    projection: Tensor  # (B, size), what the loss compares


class ViewHead(nn.Module):
    """The mean over a level's cells, and an MLP whose outputs the loss compares:
    what views do not share may be lost there, and stays in the representation."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(channels, size),
            nn.LayerNorm(size),
            nn.ReLU(inplace=True),
            nn.Linear(size, size),
        )

    def forward(self, level: Tensor) -> Views:
        representation = level.mean((2, 3))
        projection = self.projector(representation)
        return Views(representation.float(), projection.float())


# ==== losses


def view_loss(outputs: Views) -> dict[str, Tensor]:
    """Returns the terms of VICReg, https://arxiv.org/abs/2105.04906, where two views of
    an image follow each other: "invariance", the views agree; "variance", each number
    varies over the images; "covariance", no two numbers tell the same."""
    projections = gather_with_gradient(outputs.projection)
    first, second = projections[0::2], projections[1::2]
    variances, covariances = zip(spread(first), spread(second))
    return {
        "invariance": INVARIANCE_WEIGHT * F.mse_loss(first, second),
        "variance": VARIANCE_WEIGHT * sum(variances) / 2,
        "covariance": sum(covariances),
    }


def spread(values: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the variance and the covariance terms of VICReg for numbers (B, N)."""
    centered = values - values.mean(0)
    deviations = (centered.square().mean(0) + 1e-4).sqrt()
    covariance = centered.T @ centered / max(len(values) - 1, 1)
    between = covariance.square().sum() - covariance.diagonal().square().sum()
    return F.relu(1 - deviations).mean(), between / values.shape[1]


def gather_with_gradient(values: Tensor) -> Tensor:
    """Gathers values (B, N) of the images of all processes. The gradient flows to the
    own ones, times the number of processes, by which an average over processes divides
    it."""
    if not (dist.is_available() and dist.is_initialized()):
        return values
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values.detach())
    # The value is that of `values`, the slope that of as many of them.
    parts[dist.get_rank()] = values + (len(parts) - 1) * (values - values.detach())
    return torch.cat(parts)


# ==== decoders


def decode_views(outputs: Views) -> dict[str, Tensor]:
    """Returns "representation" (B, channels)."""
    return {"representation": outputs.representation}
