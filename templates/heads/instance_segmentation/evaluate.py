# ==== words


def instances_in_words(
    results: dict,
    row: int,
    names: tuple[str, ...],
    stride: int,
    ratio: Tensor,
    limits: Tensor,
) -> list[dict]:
    """The instances of an image; a "mask" is COCO's run lengths of the whole image."""
    count = int(results["count"][row])
    boxes = (results["boxes"][row, :count] * ratio).clamp(min=0).minimum(limits)
    classes = results["classes"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    masks, cell = results["masks"][row, :count], stride * ratio[:2]
    return [
        {
            "category": names[category],
            "bbox": box,
            "mask": run_lengths_of(mask, box, limits[:2].tolist(), cell),
            "score": score,
        }
        for category, box, mask, score in zip(classes, boxes.tolist(), masks, scores)
    ]


def run_lengths_of(
    logits: Tensor, box: list[float], size: list[int], cell: Tensor
) -> dict:
    """The mask of an instance, `whole_masks` of model.py, made in its box alone."""
    width, height = size
    left, top, right, bottom = (math.ceil(side - 0.5) for side in box)
    y = (torch.arange(top, bottom) + 0.5) / cell[1]
    x = (torch.arange(left, right) + 0.5) / cell[0]
    mask = np.zeros((height, width), np.uint8, order="F")
    mask[top:bottom, left:right] = sampled(logits, y, x) > 0
    runs = coco_mask.encode(mask)
    return {"size": [height, width], "counts": runs["counts"].decode()}


# ==== metrics


def instance_metrics(
    truth: list[Instances], found: list[list[dict]], names: tuple[str, ...]
) -> dict[str, float]:
    """Average precision and recall of masks as COCO defines them, and "box_ap", the
    average precision of boxes."""
    annotations, results = [], []
    for image, instances in enumerate(truth):
        for box, category, mask in zip(*instances):
            annotations.append(coco_instance(image, int(category), box.tolist(), mask))
    for image, instances in enumerate(found):
        for item in instances:
            category = names.index(item["category"])
            results.append(coco_instance(image, category, item["bbox"], item["mask"]))
            results[-1]["score"] = item["score"]
    given = annotations, results, len(truth), names
    of_boxes = coco_metrics(*given, "bbox")
    box_ap = {"box_ap": of_boxes["ap"]} if of_boxes else {}
    return coco_metrics(*given, "segm") | box_ap


def coco_instance(image: int, category: int, box: list[float], mask: dict) -> dict:
    left, top, right, bottom = box
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": mask,
        "area": float(coco_mask.area(mask)),
    }
