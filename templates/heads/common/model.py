# ==== classes


class MapDecoder(nn.Module):
    """Several levels to one map in the cells of the finest: from the coarsest down,
    each is convolved and added to what is above it, upsampled:
    https://arxiv.org/abs/1901.02446."""

    def __init__(self, inputs: tuple[int, ...], channels: int):
        super().__init__()
        self.blocks = nn.ModuleList(map_block(width, channels) for width in inputs)

    def forward(self, *levels: Tensor) -> Tensor:
        *finer, x = (block(level) for block, level in zip(self.blocks, levels))
        for level in reversed(finer):
            x = level + F.interpolate(x, scale_factor=2.0, mode="bilinear")
        return x


def map_block(inputs: int, channels: int) -> nn.Sequential:
    groups = math.gcd(32, channels // 2)  # each group has at least two channels
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        nn.GroupNorm(groups, channels),
        nn.ReLU(inplace=True),
    )


# ==== losses


def mean_over_images(losses: Tensor, labeled: Tensor) -> Tensor:
    """Averages over the labeled images of all processes; 0 if there are none."""
    return (losses * labeled).sum() / global_count(labeled.sum())


def global_count(count: Tensor) -> Tensor:
    """Returns what a loss is divided by: a count over all processes, by their number.

    DDP averages gradients, and their average is then that of one process with the
    images of all.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return count.clamp(min=1)
    dist.all_reduce(count)
    return count.clamp(min=1) / dist.get_world_size()
