# ==== placing


def moved_panoptic(
    segments: Instances,
    transform: Transform,
    things: Sequence[int],
    stuff: Sequence[int],
    stride: int,
) -> tuple[Grids, np.ndarray]:
    """The instances on the canvas, and its map of stuff in cells of this stride: 0 for
    things, then the kinds of stuff in their order, -1 where nothing is known."""
    of_things = [i for i, kind in enumerate(segments.classes) if kind in things]
    classes = [things.index(kind) for kind in segments.classes[of_things].tolist()]
    masks = tuple(segments.masks[i] for i in of_things)
    instances = Instances(segments.boxes[of_things], np.array(classes, np.int64), masks)

    x = np.arange(stride / 2, WIDTH, stride)
    y = np.arange(stride / 2, HEIGHT, stride)
    canvas = np.full((len(y), len(x)), -1, np.int16)
    for kind, edges in zip(segments.classes.tolist(), run_edges(segments.masks)):
        pixels = pixels_at(x, y, transform, segments.masks[0]["size"])
        inside = np.searchsorted(edges, pixels, "right") % 2 > 0
        canvas[inside] = 0 if kind in things else 1 + stuff.index(kind)
    return moved_instances(instances, transform), canvas


def maps_of_segments(
    segments: Instances, things: Sequence[int], height: int, width: int
) -> dict[str, np.ndarray]:
    """The category of each pixel, -1 where unknown, and the number of its instance, 0
    where it has none, (height, width) each."""
    categories = np.full((height, width), -1, np.int16)
    instances = np.zeros((height, width), np.int32)
    for number, runs in enumerate(segments.masks, 1):
        inside, kind = coco_mask.decode(runs) > 0, segments.classes[number - 1]
        categories[inside] = kind
        instances[inside] = number if kind in things else 0
    return {"categories": categories, "instances": instances}


# ==== stacking


def stack_panoptic(batch: list[tuple[Grids, np.ndarray]]) -> dict[str, Tensor]:
    """The instances as `stack_grids` has them, and "stuff" (B, h, w)."""
    grids, stuff = zip(*batch)
    return stack_grids(grids) | {"stuff": torch.from_numpy(np.stack(stuff))}
