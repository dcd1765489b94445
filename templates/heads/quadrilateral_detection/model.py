# ==== classes


# ---- Quadrilateral head: four corners in the box of each object ----


class QuadrilateralPredictions(NamedTuple):
    """Outputs of a quadrilateral head at all points of its levels."""

    objects: Predictions  # their boxes enclose the corners
    corners: Tensor  # (B, N, 4, 2), x and y in the point's box


class QuadrilateralHead(nn.Module):
    """A detector of enclosing boxes, whose box tower predicts the four corners as well:
    as offsets in sides of the box, which do not depend on its size."""

    def __init__(self, channels: int, layers: int, categories: int, strides: tuple):
        super().__init__()
        self.detector = DetectionHead(channels, layers, categories, strides)
        self.corners = nn.Conv2d(channels, 8, 3, padding=1)
        nn.init.normal_(self.corners.weight, std=0.01)  # starts at the middle

    def forward(self, *levels: Tensor) -> QuadrilateralPredictions:
        towers = [self.detector.box_tower(level) for level in levels]
        corners = flatten_maps([self.corners(x) for x in towers]).unflatten(2, (4, 2))
        return QuadrilateralPredictions(self.detector(*levels, towers=towers), corners)


# ==== losses


def quadrilateral_loss(
    predictions: QuadrilateralPredictions, targets: dict, corner_weight: float
) -> dict[str, Tensor]:
    """Returns the detector's terms and "corners"; all are per object.

    `targets` hold, beside what `assign` needs, "corners" (B, G, 4, 2).
    """
    objects, boxes = predictions.objects, predictions.objects.boxes()
    assignment = assign(objects, boxes.detach(), targets)
    positives = gather_positives(*assignment, targets["classes"])
    terms = object_terms(objects, boxes, positives, targets)
    image, point, total = positives.image, positives.point, positives.total
    object_index, score = positives.object_index, positives.score

    # In the point's own box, as at inference, but without pulling at it.
    found = in_boxes(predictions.corners[image, point], boxes[image, point].detach())
    target = targets["corners"][image, object_index]
    errors = point_errors(found, target, targets["boxes"][image, object_index])
    errors = (errors.mean(2) * score).sum() / total
    return terms | {"corners": corner_weight * errors}


# ==== decoders


def decode_quadrilaterals(
    predictions: QuadrilateralPredictions, min_score: float, max_iou: float, limit: int
) -> dict[str, Tensor]:
    """Decodes the quadrilaterals of each image, the best first.

    Returns "quadrilaterals" (B, limit, 4, 2) in pixels, the "boxes" (B, limit, 4) in
    which they were found, "scores" and "classes" (B, limit), and "count" (B,): rows
    from there on are zero.
    """
    found = decode_objects(predictions.objects, min_score, max_iou, limit)
    points = found.pop("points")[..., None, None]
    real = (found["scores"] > 0)[..., None, None]
    corners = predictions.corners
    corners = corners.gather(1, points.expand(-1, -1, *corners.shape[2:]))
    return {"quadrilaterals": in_boxes(corners, found["boxes"]) * real} | found
