# ==== runtime


def found_poses(found: dict, names: list[str]) -> list[dict]:
    """Returns instances; a keypoint is None where it is more likely absent."""
    keypoints, presence = found["keypoints"].tolist(), found["presence"].tolist()
    return [
        {
            "score": float(found["scores"][i]),
            "keypoints": {
                name: point if likely >= 0.5 else None
                for name, point, likely in zip(names, keypoints[i], presence[i])
            },
            "presence": dict(zip(names, presence[i])),
        }
        for i in range(found["count"])
    ]
