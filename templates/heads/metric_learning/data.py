# ==== stacking


def stack_identities(batch: list[int]) -> dict[str, Tensor]:
    return {"identity": torch.tensor(batch)}  # (B,)
