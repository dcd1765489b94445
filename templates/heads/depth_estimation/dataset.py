# ==== readers_native


def read_depth_maps(folder: Path, nearest: float, farthest: float) -> dict[str, Path]:
    """Loads maps by image; checks that the dataset has the job's range of depth."""
    return maps_of(
        folder, *entry_with_range(folder, "depth estimation", [nearest, farthest])
    )
