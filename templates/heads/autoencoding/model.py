# ==== classes


# ---- Autoencoding head ----


class Reconstruction(NamedTuple):
    """Outputs of the head for each image."""

    reconstruction: Tensor  # (B, C, H, W), about 0..1
    code: Tensor  # (B, size, h, w), the only input of the decoder


class AutoencodingHead(nn.Module):
    """A code of `size` numbers a cell, and a decoder that doubles it to the image."""

    def __init__(self, inputs: int, size: int, widths: tuple[int, ...], channels: int):
        super().__init__()
        self.code = nn.Conv2d(inputs, size, 1)
        pairs = zip((size, *widths), widths)
        self.decoder = nn.Sequential(*(doubling_block(*pair) for pair in pairs))
        self.image = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, level: Tensor) -> Reconstruction:
        code = self.code(level)
        reconstruction = self.image(self.decoder(code))
        return Reconstruction(reconstruction.float(), code.float())


def doubling_block(inputs: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        nn.GroupNorm(math.gcd(32, channels // 2), channels),
        nn.ReLU(inplace=True),
        nn.Upsample(scale_factor=2.0),
    )


# ==== operations


# ---- Pictures ----


def own_size(pictures: Tensor, seen: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Returns pictures (B, C, H, W) of the canvas as pictures (B, C, *size) of the
    image, which fills the height and width `seen` from its top left."""
    pictures = pictures[..., : seen[0], : seen[1]].float()
    return F.interpolate(pictures, size, mode="bilinear", antialias=True)


# ==== losses


def reconstruction_loss(
    outputs: Reconstruction, targets: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Returns term "mse": the mean squared error over the pixels "inside" (B, 1, H, W)
    the images, not those around them; `targets` has the uint8 "image" (B, C, H, W)
    too."""
    inside = targets["inside"]
    error = outputs.reconstruction - targets["image"] / 255
    pixels = global_count(inside.sum()) * error.shape[1]
    return {"mse": (error.square() * inside).sum() / pixels}


# ==== decoders


def decode_reconstruction(outputs: Reconstruction) -> dict[str, Tensor]:
    """Returns "reconstruction" (B, C, H, W), 0..1, and "code" (B, size, h, w)."""
    return {
        "reconstruction": outputs.reconstruction.clamp(0, 1),
        "code": outputs.code,
    }
