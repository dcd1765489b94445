# ==== stacking


def stack_texts(batch: list[list[int]]) -> dict[str, Tensor]:
    return {"tokens": torch.tensor(batch)}  # (B, length)
