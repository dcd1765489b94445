# ==== readers_native


def read_depth_maps(folder: Path, nearest: float, farthest: float) -> dict[str, Path]:
    """Maps by image, once the dataset's range of depth is known to be the job's."""
    path, entries = entries_of(folder, "depth estimation")
    ours = [nearest, farthest]
    same_range = [entry for entry in entries if entry.get("range") == ours]
    if not same_range:
        theirs = " and ".join(str(entry.get("range")) for entry in entries)
        raise SystemExit(f"{path}: the range is {theirs}, in the job {ours}")
    return maps_of(folder, path, same_range[0])
