# ==== drawings


def draw_instances(
    image: np.ndarray, instances: list[dict], names: tuple[str, ...]
) -> np.ndarray:
    """Each instance in a color of its own, its category at the corner of its box."""
    thickness = max(1, round(max(image.shape) / 640))
    for number, item in reversed(list(enumerate(instances))):  # the best last, on top
        if item.get("score", 1.0) >= DRAWN_SCORE:
            mask, color = coco_mask.decode(item["mask"]), color_of(number)
            tinted = 0.6 * image[mask > 0] + 0.4 * np.float32(color)
            image[mask > 0] = tinted.astype(np.uint8)
            contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, contours, -1, color, thickness)
            if len(names) > 1:
                left, top, _, _ = (round(side) for side in item["bbox"])
                write(image, caption(item), (left, top), color)
    return image


def save_masks(
    instances: list[dict], names: tuple[str, ...], colors: tuple, path: Path
) -> list[dict]:
    """The instances, with the file and page of their masks, which is as in datasets."""
    saved = []
    if not instances:
        return saved
    with AppendingTiffWriter(path, True) as file:  # page by page, to spare memory
        for number, item in enumerate(instances, 1):
            color = colors[names.index(item["category"])]
            page = coco_mask.decode(item["mask"])[:, :, None] * np.uint8(color)
            Image.fromarray(page).save(file, "TIFF", compression="tiff_deflate")
            file.newFrame()
            saved.append(item | {"mask": path.name, "page": number})
    return saved


# ==== label_words


def labelled_instances(instances: Instances, names: tuple[str, ...]) -> list[dict]:
    return [
        {"category": names[category], "bbox": box.tolist(), "mask": mask}
        for box, category, mask in zip(*instances)
    ]
