# ==== readers_native


def read_depth_maps(folder: Path, nearest: float, farthest: float) -> dict[str, Path]:
    """Maps by image, once the dataset's range of depth is known to be the job's."""
    return maps_of(
        folder, *entry_with_range(folder, "depth estimation", [nearest, farthest])
    )
