# ==== words


def poses_in_words(
    results: dict, row: int, names: tuple[str, ...], ratio: Tensor, limits: Tensor
) -> list[dict]:
    """Keypoints are null where they are more likely absent than present."""
    count = int(results["count"][row])
    keypoints = results["keypoints"][row, :count] * ratio[:2]
    keypoints = keypoints.clamp(min=0).minimum(limits[:2]).tolist()
    presence = results["presence"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    return [
        {
            "score": score,
            "keypoints": {
                name: place if likely >= 0.5 else None
                for name, place, likely in zip(names, places, present)
            },
            "presence": dict(zip(names, present)),
        }
        for score, places, present in zip(scores, keypoints, presence)
    ]


# ==== metrics


class Matches(NamedTuple):
    """How the predictions of a category fit its objects in one image."""

    scores: np.ndarray  # (D,), the best first
    hits: np.ndarray  # (10, D), which found an object, at each of SIMILARITIES
    objects: int


def match(scores: np.ndarray, similarity: np.ndarray) -> Matches:
    """Scores (D,) of predictions, and their similarity (D, G) to objects, 0..1.

    As COCO does it: the best prediction comes first, and takes the free object that it
    resembles most, if by enough.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.zeros((len(SIMILARITIES), len(scores)), bool)
    for hit, least in zip(hits, SIMILARITIES):
        free = similarity[order]
        for number, row in enumerate(free):
            if row.size and row.max() >= least:
                hit[number] = True
                free[:, row.argmax()] = -1
    return Matches(scores[order], hits, similarity.shape[1])


def average_precision(matches: list[Matches]) -> np.ndarray:
    """At each of SIMILARITIES, (10,), as COCO defines it: the mean precision over 101
    values of recall."""
    scores = np.concatenate([of_image.scores for of_image in matches])
    hits = np.concatenate([of_image.hits for of_image in matches], 1)
    found = hits[:, np.argsort(-scores, kind="stable")].cumsum(1)
    recall = found / max(1, sum(of_image.objects for of_image in matches))
    precision = found / np.arange(1, len(scores) + 1)
    # A recall counts with the best precision at which it, or a higher one, is reached.
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # 0 where it never is
    wanted = np.linspace(0, 1, 101)
    places = [np.searchsorted(of_similarity, wanted) for of_similarity in recall]
    return np.take_along_axis(precision, np.array(places), 1).mean(1)


class PoseEvidence(NamedTuple):
    """What the predictions for one image are worth."""

    matches: Matches
    errors: np.ndarray  # (M,) of its present keypoints, in sizes of their instance


def pose_evidence(
    poses: Poses, found: list[dict], names: tuple[str, ...], sigmas: float | tuple
) -> PoseEvidence:
    absent = (np.nan, np.nan)
    places = [[item["keypoints"][name] or absent for name in names] for item in found]
    places = np.array(places, np.float32).reshape(-1, len(names), 2)
    scores = np.array([item["score"] for item in found])
    sides = poses.boxes[:, 2:] - poses.boxes[:, :2]
    # (D, G, K), NaN where a keypoint is absent from one of the two
    square = np.square(places[:, None] - poses.keypoints).sum(3)
    similarity = keypoint_similarity(square / sides.prod(1)[:, None], poses, sigmas)
    errors = np.sqrt(square) / sides.max(1)[:, None]
    return PoseEvidence(
        match(scores, similarity), keypoint_errors(errors, scores, poses)
    )


def keypoint_similarity(
    square: np.ndarray, poses: Poses, sigmas: float | tuple
) -> np.ndarray:
    """Object keypoint similarity (D, G) by squared distances (D, G, K) in areas of the
    extents: https://cocodataset.org/#keypoints-eval."""
    similar = np.exp(-square / (8 * np.square(sigmas)))
    return np.nan_to_num(similar).sum(2) / poses.present().sum(1)


def keypoint_errors(errors: np.ndarray, scores: np.ndarray, poses: Poses) -> np.ndarray:
    """Errors (M,) of present keypoints, by those of all pairs (D, G, K); infinite where
    the keypoint or its instance was not found.

    The best prediction comes first, and takes the free instance that is nearest to it,
    if by less than half the instance's size.
    """
    present = poses.present()
    errors = np.where(present & np.isnan(errors), np.inf, errors)
    apart = np.where(present, np.minimum(errors, 1), 0).sum(2) / present.sum(1)
    best = np.full(present.shape, np.inf)
    for number in np.argsort(-scores, kind="stable"):
        if apart.size and apart[number].min() < 0.5:
            instance = apart[number].argmin()
            best[instance] = errors[number, instance]
            apart[:, instance] = np.inf
    return best[present]


def keypoint_metrics(found: list[PoseEvidence]) -> dict[str, float]:
    """Average precision by object keypoint similarity, and the share of keypoints that
    are off by at most 0.05 and 0.1 of their instance's size, its longer side: PCK,
    https://doi.org/10.1109/TPAMI.2012.261. None where no keypoint is labelled."""
    precision = average_precision([of_image.matches for of_image in found])
    errors = np.concatenate([of_image.errors for of_image in found])
    if not len(errors):
        return {}
    metrics = {"ap": precision.mean(), "ap50": precision[0], "ap75": precision[5]}
    metrics |= {"pck05": (errors <= 0.05).mean(), "pck10": (errors <= 0.1).mean()}
    return {name: float(value) for name, value in metrics.items()}
