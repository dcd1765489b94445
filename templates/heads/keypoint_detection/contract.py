# ==== made


def some_poses(names: tuple[str, ...], height: int, width: int) -> list[dict]:
    """Returns one in most of the image: two keypoints are its ends, others between."""
    pose = {name: [width / 2, height / 2] for name in names}
    if len(names) > 1:
        pose |= {names[0]: [1, 1], names[-1]: [width - 1, height - 1]}
    return [pose]
