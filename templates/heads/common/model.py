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


def mean_over_images(losses: Tensor) -> Tensor:
    """The mean over the labelled images of all processes; 0 if there are none."""
    images = torch.tensor(float(len(losses)), device=losses.device)
    return losses.sum() / shared_total(images)


def rows_of(output: Tensor | tuple, rows: Tensor) -> Tensor | tuple:
    """Selects rows of an output: a tensor, or a named tuple, whose fields may be such
    tuples again."""
    if isinstance(output, Tensor):
        return output[rows]
    fields = [field for field in output._fields if field not in SHARED]
    return output._replace(**{f: rows_of(getattr(output, f), rows) for f in fields})


def shared_total(total: Tensor) -> Tensor:
    """Returns the normalizer of a loss. DDP averages gradients: with the global sum by
    the number of processes, they equal those of one process with the whole batch."""
    if not (dist.is_available() and dist.is_initialized()):
        return total.clamp(min=1)
    dist.all_reduce(total)
    return total.clamp(min=1) / dist.get_world_size()
