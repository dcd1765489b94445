# ==== classes


class CausalAttention(Attention):
    """Each token attends to itself and to those before it."""

    def forward(self, x: Tensor) -> Tensor:
        inputs = self.split(self.query(x)), *self.keys_and_values(x)
        y = F.scaled_dot_product_attention(*inputs, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))


# ---- Text head: token by token ----


class DecoderLayer(nn.Module):
    """Tokens attend to those before them, then to the image. Pre-norm,
    https://arxiv.org/abs/2002.04745."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.text = CausalAttention(width, heads)
        self.image = Attention(width, heads)
        self.mlp = mlp(width)

    def forward(self, x: Tensor, image: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.text(self.norm1(x))
        x = x + self.image(self.norm2(x), *image)
        return x + self.mlp(self.norm3(x))


class TextDecoder(nn.Module):
    """Predicts each token from those before it (TrOCR,
    https://arxiv.org/abs/2109.10282)."""

    def __init__(
        self,
        channels: int,
        classes: int,
        length: int,
        layers: int,
        width: int,
        heads: int,
    ):
        super().__init__()
        self.cells = ImageFeatures(channels, width)
        self.tokens = nn.Embedding(classes, width)
        self.places = position_queries(length, width)
        self.layers = nn.ModuleList(DecoderLayer(width, heads) for _ in range(layers))
        self.last_norm = nn.LayerNorm(width)
        self.logits = nn.Linear(width, classes)
        self.end = classes - 1  # an end comes before the first token, too

    def forward(self, level: Tensor, targets: dict | None = None) -> Tensor:
        """Returns logits (B, length, classes). A position knows the tokens before it:
        those of the targets, or without targets the likeliest ones."""
        features = self.cells(level)  # (B, N, width)
        image = [layer.image.keys_and_values(features) for layer in self.layers]
        if targets:
            text = F.pad(targets["tokens"][:, :-1], (1, 0), value=self.end)
            return self.next_token_logits(text, image)
        text = torch.full((len(level), 1), self.end, device=level.device)
        for _ in range(self.places.num_embeddings):  # always all: shapes are static
            logits = self.next_token_logits(text, image)
            text = torch.cat([text, logits[:, -1:].argmax(2)], 1)
        return logits

    def next_token_logits(
        self, text: Tensor, image: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Returns logits (B, T, classes) of the token after each of a text (B, T)."""
        x = self.tokens(text) + self.places.weight[: text.shape[1]]
        for layer, keys_and_values in zip(self.layers, image):
            x = layer(x, keys_and_values)
        return self.logits(self.last_norm(x)).float()
