# ==== words


def objects_in_words(
    results: dict, row: int, names: tuple[str, ...], ratio: Tensor, limits: Tensor
) -> list[dict]:
    count = int(results["count"][row])
    boxes = (results["boxes"][row, :count] * ratio).clamp(min=0).minimum(limits)
    classes = results["classes"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    return [
        {"category": names[category], "bbox": box, "score": score}
        for category, box, score in zip(classes, boxes.tolist(), scores)
    ]


# ==== metrics


def detection_metrics(
    truth: list[Objects], found: list[list[dict]], names: tuple[str, ...]
) -> dict[str, float]:
    """Average precision and recall as COCO defines them."""
    annotations, results = [], []
    for image, objects in enumerate(truth):
        for box, category in zip(objects.boxes.tolist(), objects.classes.tolist()):
            annotations.append(coco_object(image, category, box))
    for image, objects in enumerate(found):
        for item in objects:
            category = names.index(item["category"])
            results.append(coco_object(image, category, item["bbox"]))
            results[-1]["score"] = item["score"]
    return coco_metrics(annotations, results, len(truth), names, "bbox")


def coco_object(image: int, category: int, box: list[float]) -> dict:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, width, height],
        "area": width * height,
    }


def coco_metrics(
    annotations: list[dict],
    results: list[dict],
    images: int,
    names: tuple[str, ...],
    kind: str,
) -> dict[str, float]:
    """Average precision and recall over IoU 0.5..0.95; `kind` is bbox or segm."""
    for number, item in enumerate(annotations, 1):
        item |= {"id": number, "iscrowd": 0}
    # Sizes are asked for, but of no use unless masks are polygons.
    dataset = {
        "images": [{"id": i, "height": 0, "width": 0} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the library prints its tables
        dataset = COCO(dataset)
        scorer = COCOeval_faster(dataset, dataset.loadRes(results), kind)
        scorer.run()
    # In the library's order, place 8 is the recall at 100 detections; -1 marks what
    # does not occur.
    keys = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar")
    values = [float(scorer.stats[i]) for i in (0, 1, 2, 3, 4, 5, 8)]
    return {key: value for key, value in zip(keys, values) if value >= 0}
