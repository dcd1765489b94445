# ==== classes


class CausalAttention(Attention):
    """Each token attends to itself and to those before it."""

    def forward(self, x: Tensor, cache: Tensor | None = None, place: int = 0) -> Tensor:
        """Takes all tokens of a text, or with a cache the one at `place`: the cache,
        (2, B, heads, length, width / heads), holds keys and values of those before it,
        and gets its own."""
        query, own = self.split(self.query(x)), torch.stack(self.keys_and_values(x))
        if cache is None:
            y = F.scaled_dot_product_attention(query, *own, is_causal=True)
        else:
            cache[..., place : place + 1, :] = own
            known = torch.arange(cache.shape[3], device=x.device)[None] <= place
            y = F.scaled_dot_product_attention(query, *cache, attn_mask=known)
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

    def forward(
        self, x: Tensor, image: tuple, cache: Tensor | None, place: int
    ) -> Tensor:
        x = x + self.text(self.norm1(x), cache, place)
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
            return self.next_logits(text, image, [None] * len(image), place=0)
        token, logits = torch.full_like(features[:, :1, 0], self.end).long(), []
        heads, (length, width) = self.layers[0].text.heads, self.places.weight.shape
        size = 2, features.shape[0], heads, length, width // heads
        caches = [features.new_zeros(size) for _ in image]
        for place in range(length):  # always all: shapes are static
            logits.append(self.next_logits(token, image, caches, place))
            token = logits[-1].argmax(2)
        return torch.cat(logits, 1)

    def next_logits(
        self, text: Tensor, image: list[tuple], caches: list, place: int
    ) -> Tensor:
        """Returns logits (B, T, classes) of the token after each of a text (B, T), or
        with caches after its token at `place` (B, 1)."""
        x = self.tokens(text) + self.places.weight[place : place + text.shape[1]]
        for layer, keys_and_values, cache in zip(self.layers, image, caches):
            x = layer(x, keys_and_values, cache, place)
        return self.logits(self.last_norm(x)).float()
