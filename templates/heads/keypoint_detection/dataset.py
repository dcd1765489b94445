# ==== labels


class Poses(NamedTuple):
    """The instances of one image."""

    keypoints: np.ndarray  # (G, K, 2) x, y in pixels, NaN where absent
    boxes: np.ndarray  # (G, 4) left, top, right, bottom of the present ones

    def present(self) -> np.ndarray:
        return np.isfinite(self.keypoints).all(2)  # (G, K)


def extents(keypoints: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes (G, 4) around the present ones of keypoints (G, K, 2). Their sides are a
    32nd of the image's longer one at least: a single keypoint, too, has an area."""
    low, high = np.nanmin(keypoints, 1), np.nanmax(keypoints, 1)
    missing = np.maximum(0, max(height, width) / 32 - (high - low)) / 2
    return np.concatenate([low - missing, high + missing], 1).astype(np.float32)


# ==== readers


def pose_from_coco(item: dict, names: dict[int, list[str]]) -> dict:
    """The keypoints of an annotation by name, null where they are not labelled."""
    known = names[item["category_id"]]
    given = item.get("keypoints") or [0] * 3 * len(known)
    if len(given) != 3 * len(known):
        what = f"{len(given)} numbers in `keypoints`, not 3 for each of {len(known)}"
        raise ValueError(f"annotation {item.get('id')}: {what}")
    places = zip(known, given[::3], given[1::3], given[2::3])
    return {name: [x, y] if labelled else None for name, x, y, labelled in places}


# ==== readers_native


def read_keypoints(folder: Path, names: tuple[str, ...]) -> dict:
    """Annotations by image, once the dataset's keypoints are known to be the job's."""
    return annotations_of(
        *described_alike(folder, "keypoint detection", "keypoints", names)
    )


def read_poses(folder: Path, names: tuple[str, ...], pairs: tuple) -> dict:
    """Annotations by image, once the dataset's keypoints, and its flip pairs if it has
    any, are known to be the job's."""
    path, entry = described_alike(folder, "keypoint detection", "keypoints", names)
    try:
        given = [sorted(map(str, pair)) for pair in entry.get("flip_pairs") or pairs]
    except TypeError:
        raise SystemExit(f"{path}: `flip_pairs` is not a list of pairs") from None
    theirs = {" and ".join(pair) for pair in given}
    ours = {" and ".join(sorted(pair)) for pair in pairs}
    compare_names(path, "flip_pairs", theirs, ours)
    return annotations_of(path, entry)


# ==== parsers


def parse_poses(
    given: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> Poses:
    """The instances of an image; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of instances: {given!r:.100}")
    instances = []
    for item in given:
        keypoints = parse_keypoints(item, names, height, width, counts)
        if np.isfinite(keypoints).any():
            instances.append(keypoints)
        else:
            counts["instances without any keypoint left out"] += 1
    instances = np.array(instances, np.float32).reshape(-1, len(names), 2)
    return Poses(instances, extents(instances, height, width))


def parse_keypoints(
    item: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> np.ndarray:
    """The keypoints of an instance, (K, 2); those that it does not name are absent."""
    if not isinstance(item, dict):
        raise ValueError(f"not keypoints by name: {item!r:.200}")
    keypoints = np.full((len(names), 2), np.nan, np.float32)
    for name, place in item.items():
        if str(name) not in names:
            raise ValueError(f"not a keypoint of the job: {name!r:.100}")
        if place is None:
            continue
        try:
            x, y = (float(value) for value in place)
            if not (math.isfinite(x) and math.isfinite(y)):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} is not x, y: {place!r:.100}") from None
        inside = moved_inside(x, y, height, width, counts)
        keypoints[names.index(str(name))] = inside or np.nan
    return keypoints


def moved_inside(
    x: float, y: float, height: int, width: int, counts: Counter
) -> tuple[float, float] | None:
    """A keypoint in its image: outside by at most a pixel, or half a percent of the
    longer side, it is moved to the edge; None if it lies farther outside."""
    inside = min(max(x, 0), width), min(max(y, 0), height)
    apart = max(abs(x - inside[0]), abs(y - inside[1]))
    if apart > max(1, height / 200, width / 200):
        counts["keypoints outside their image, taken to be absent"] += 1
        return None
    counts["keypoints a little outside their image, moved to its edge"] += apart > 0
    return inside


def poses_in_image(poses: Poses, frame: Frame) -> Poses:
    """The same in pixels of the image as it is shown."""
    keypoints = frame.points(poses.keypoints).astype(np.float32)
    return Poses(keypoints, extents(keypoints, *frame.shown))
