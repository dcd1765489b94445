# ==== placing


def read_depth(path: Path, nearest: float, farthest: float) -> np.ndarray:
    """Returns the depth of each pixel, (h, w) float32, -1 where unknown.

    In the file 0 is unknown, 1 the farthest, 255 or 65535 the nearest.
    """
    codes = read_map(path, cv2.IMREAD_UNCHANGED)
    most, limit = int(codes.max()), np.iinfo(codes.dtype).max
    if limit > 65535 or limit > 255 and 1 < most <= 255:
        what = f"a map of {codes.dtype} with values up to {most}"
        raise ImageError(f"{path}: {what}, which are not of 8 or 16 bits")
    share = (codes.astype(np.float32) - 1) / (limit - 1)  # 0 farthest, 1 nearest
    return np.where(codes > 0, farthest - share * (farthest - nearest), -1)


def depth_in_numbers(maps: list[Path], nearest: float, farthest: float) -> str:
    """Returns nearest, median and farthest depth of up to 50 maps, as text: a wrong
    range or code shows there. Training names maps that cannot be decoded."""
    spans = []
    for path in maps[:: max(1, len(maps) // 50)]:
        with contextlib.suppress(ImageError):
            depth = read_depth(path, nearest, farthest)
            if (known := depth[depth >= 0]).size:
                spans.append(np.quantile(known, (0, 0.5, 1)))
    if not spans:
        return f"depth: unknown in all of {len(maps)} maps"
    low, middle, high = zip(*spans)
    low, middle, high = min(low), np.median(middle), max(high)
    text = f"nearest {low:.4g}, median {middle:.4g}, farthest {high:.4g}"
    return f"depth: {text}, of a range from {nearest:g} to {farthest:g}"


# ==== stacking


def stack_depth(batch: list[np.ndarray]) -> dict[str, Tensor]:
    """Returns depth (B, H, W), -1 where unknown."""
    return {"depth": torch.from_numpy(np.stack(batch))}
