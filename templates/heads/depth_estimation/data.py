# ==== placing


def read_depth(path: Path, nearest: float, farthest: float) -> np.ndarray:
    """The depth of each pixel, (h, w) float32, -1 where unknown.

    In the file 0 is unknown, 1 the farthest, 255 or 65535 the nearest.
    """
    codes = read_map(path, cv2.IMREAD_UNCHANGED)
    most, limit = int(codes.max()), np.iinfo(codes.dtype).max
    if limit > 255 and 1 < most <= 255:
        raise ImageError(f"{path}: a 16-bit map with values of 8 bits, up to {most}")
    share = (codes.astype(np.float32) - 1) / (limit - 1)  # of the way to the nearest
    depth = farthest - share * (farthest - nearest)
    return np.where(codes > 0, depth, -1).astype(np.float32)


# ==== stacking


def stack_depth(batch: list[np.ndarray]) -> dict[str, Tensor]:
    """Depth (B, H, W), -1 where unknown."""
    return {"depth": torch.from_numpy(np.stack(batch))}
