# ==== drawings


def draw_poses(image: np.ndarray, poses: list[dict], names: tuple) -> np.ndarray:
    """Draws keypoints as dots, a color for each name, and scores at the highest."""
    radius = max(1, round(max(image.shape) / 160))
    for item in reversed(poses):  # drawn last, the best ones lie on top
        if item.get("score", 1.0) < DRAWN_SCORE:
            continue
        centers = []
        for number, name in enumerate(names):
            if item["keypoints"][name] is not None:
                center = tuple(round(value) for value in item["keypoints"][name])
                color = color_of(number)
                cv2.circle(image, center, radius, color, cv2.FILLED, cv2.LINE_AA)
                centers.append(center)
        if "score" in item and centers:
            x, y = min(centers, key=lambda center: center[1])
            write(image, f"{item['score']:.2f}", (x, y - radius), color_of(0))
    return image


# ==== label_words


def poses_of(poses: Poses, names: tuple[str, ...]) -> list[dict]:
    return [
        {"keypoints": {n: None if np.isnan(x) else [x, y] for n, (x, y) in pairs}}
        for pairs in (zip(names, instance) for instance in poses.keypoints.tolist())
    ]
