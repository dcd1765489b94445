# ==== placing


def moved(objects: Objects, transform: Transform) -> Objects:
    """Objects on the canvas, without those of which less than a quarter is left."""
    boxes = transform.move(objects.boxes)
    visible = np.clip(boxes, 0, np.float32([WIDTH, HEIGHT, WIDTH, HEIGHT]))
    sides, whole = visible[:, 2:] - visible[:, :2], boxes[:, 2:] - boxes[:, :2]
    kept = sides.prod(1) > 0.25 * whole.prod(1)
    return Objects(visible[kept], objects.classes[kept])


# ==== stacking


def stack_objects(batch: list[Objects]) -> dict[str, Tensor]:
    """Boxes (B, G, 4) and classes (B, G), -1 where padded."""
    # At least one row, so that a batch without objects is no special case.
    most = max(1, max(len(objects.classes) for objects in batch))
    boxes = torch.zeros(len(batch), most, 4)
    classes = torch.full((len(batch), most), -1)
    for i, objects in enumerate(batch):
        count = len(objects.classes)
        boxes[i, :count] = torch.from_numpy(objects.boxes)
        classes[i, :count] = torch.from_numpy(objects.classes)
    return {"boxes": boxes, "classes": classes}
