# ==== classes


# ---- Keypoint head: K keypoints in the box of each instance ----


class KeypointPredictions(NamedTuple):
    """Outputs of a keypoint head at all points of its levels."""

    objects: Predictions  # one category; a box encloses the keypoints
    keypoints: Tensor  # (B, N, K, 3), x and y in the point's box, a logit of presence


class KeypointHead(nn.Module):
    """A detector of instances. A further tower predicts each keypoint as an offset from
    the middle of its instance's box, in sides of the box, and whether it is present.

    Such offsets do not depend on the size of an instance; CenterNet, which counts them
    in cells (https://arxiv.org/abs/1904.07850), has to learn it.
    """

    def __init__(self, channels: int, layers: int, keypoints: int, strides: tuple):
        super().__init__()
        self.keypoints = keypoints
        self.detector = DetectionHead(channels, layers, categories=1, strides=strides)
        self.tower = tower(channels, layers)
        self.points = nn.Conv2d(channels, 3 * keypoints, 3, padding=1)
        nn.init.normal_(self.points.weight, std=0.01)  # starts at the middle

    def forward(self, *levels: Tensor) -> KeypointPredictions:
        points = flatten_maps([self.points(self.tower(level)) for level in levels])
        keypoints = points.unflatten(2, (self.keypoints, 3))
        return KeypointPredictions(self.detector(*levels), keypoints)


def in_boxes(offsets: Tensor, boxes: Tensor) -> Tensor:
    """Returns points (..., K, 2) in pixels, from offsets in the sides of boxes (...,
    4), which count from the middle of each."""
    left_top, right_bottom = boxes[..., None, :].chunk(2, -1)
    return (left_top + right_bottom) / 2 + offsets * (right_bottom - left_top)


# ==== losses


def keypoint_loss(
    predictions: KeypointPredictions,
    targets: dict[str, Tensor],
    keypoint_weight: float,
    presence_weight: float,
) -> dict[str, Tensor]:
    """Returns the detector's terms, "keypoints" and "presence"; all are per instance.

    `targets` hold, beside what `assign` needs, "keypoints" (B, G, K, 2), and which of
    them are "present" (B, G, K).
    """
    objects, boxes = predictions.objects, predictions.objects.boxes()
    assignment = assign(objects, boxes.detach(), targets)
    positives = gather_positives(*assignment, targets["classes"])
    terms = object_terms(objects, boxes, positives, targets)
    image, point, total = positives.image, positives.point, positives.total
    object_index, score = positives.object_index, positives.score

    # In the point's own box, as at inference, but without pulling at it.
    keypoints = predictions.keypoints[image, point]  # (B, M, K, 3) of M points
    found = in_boxes(keypoints[..., :2], boxes[image, point].detach())
    target = targets["keypoints"][image, object_index]
    errors = point_errors(found, target, targets["boxes"][image, object_index])
    present = targets["present"][image, object_index].float()  # (B, M, K)
    errors = (errors * present).sum(2) / present.sum(2).clamp(min=1)
    presence = F.binary_cross_entropy_with_logits(
        keypoints[..., 2], present, reduction="none"
    )
    terms["keypoints"] = keypoint_weight * (errors * score).sum() / total
    terms["presence"] = presence_weight * (presence.mean(2) * score).sum() / total
    return terms


def point_errors(found: Tensor, target: Tensor, boxes: Tensor) -> Tensor:
    """Returns how far points (B, M, K, 2) are off, (B, M, K), in the longer sides of
    boxes (B, M, 4): the sum over x and y, smooth below a fiftieth."""
    size = (boxes[..., 2:] - boxes[..., :2]).amax(2)[..., None, None]
    size = size.clamp(min=1e-6)  # padded rows have no size
    errors = F.smooth_l1_loss(found / size, target / size, reduction="none", beta=0.02)
    return errors.sum(3)


# ==== decoders


def decode_keypoints(
    predictions: KeypointPredictions, min_score: float, max_iou: float, limit: int
) -> dict[str, Tensor]:
    """Decodes the instances of each image, the best first.

    Returns "keypoints" (B, limit, K, 2) in pixels, their "presence" (B, limit, K) as
    probabilities, "boxes" (B, limit, 4) and "scores" (B, limit) of instances, and
    "count" (B,): rows from there on are zero.
    """
    found = decode_objects(predictions.objects, min_score, max_iou, limit)
    points = found["points"][..., None, None]
    points = points.expand(-1, -1, *predictions.keypoints.shape[2:])
    keypoints = predictions.keypoints.gather(1, points)  # (B, limit, K, 3)
    real = (found["scores"] > 0)[..., None]
    return {
        "keypoints": in_boxes(keypoints[..., :2], found["boxes"]) * real[..., None],
        "presence": keypoints[..., 2].sigmoid() * real,
        "boxes": found["boxes"],
        "scores": found["scores"],
        "count": found["count"],
    }
