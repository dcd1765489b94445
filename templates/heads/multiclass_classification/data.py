# ==== stacking


def stack_categories(batch: list[int]) -> dict[str, Tensor]:
    return {"category": torch.tensor(batch)}  # (B,)
