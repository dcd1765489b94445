# ==== classes


# ---- Quadrilateral head: four corners in the hull of each object ----


class QuadrilateralPredictions(NamedTuple):
    """Outputs of a quadrilateral head for all cells of its levels."""

    objects: Predictions  # their boxes are hulls
    corners: Tensor  # (B, N, 4, 2), x and y in the cell's box


class QuadrilateralHead(nn.Module):
    """A detector of hulls. The tower of a hull's box gives the four corners as well, in
    sides of the hull, so that they do not vary with its size."""

    def __init__(self, channels: int, layers: int, categories: int, strides: tuple):
        super().__init__()
        self.detector = DetectionHead(channels, layers, categories, strides)
        self.corners = nn.Conv2d(channels, 8, 3, padding=1)
        nn.init.normal_(self.corners.weight, std=0.01)  # all in the middle

    def forward(self, *levels: Tensor) -> QuadrilateralPredictions:
        towers = [self.detector.box_tower(level) for level in levels]
        corners = rows([self.corners(x) for x in towers]).unflatten(2, (4, 2))
        return QuadrilateralPredictions(self.detector(*levels, towers=towers), corners)


# ==== losses


def quadrilateral_loss(
    predictions: QuadrilateralPredictions,
    targets: dict[str, Tensor],
    corner_weight: float,
) -> dict[str, Tensor]:
    """Returns the detector's terms and "corners"; all are per object.

    `targets` hold, beside what `assign` needs, "corners" (B, G, 4, 2).
    """
    objects, boxes = predictions.objects, predictions.objects.boxes()
    assignment = assign(objects, boxes.detach(), targets)
    learned = positives(*assignment, targets["classes"])
    terms = object_terms(objects, boxes, learned, targets)
    image, point, object_index, score, total, *_ = learned

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
    cells = found.pop("cells")[..., None, None]
    real = (found["scores"] > 0)[..., None, None]
    corners = predictions.corners.take_along_dim(cells, 1)
    return {"quadrilaterals": in_boxes(corners, found["boxes"]) * real} | found
