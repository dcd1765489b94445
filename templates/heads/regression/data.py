# ==== stacking


def stack_numbers(batch: list[float]) -> dict[str, Tensor]:
    return {"value": torch.tensor(batch)[:, None]}  # (B, 1)
