# ==== stacking


def stack_labels(batch: list[np.ndarray]) -> dict[str, Tensor]:
    return {"present": torch.from_numpy(np.stack(batch))}  # (B, labels), 0 or 1
