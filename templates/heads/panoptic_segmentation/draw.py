# ==== drawings


def draw_panoptic(
    image: np.ndarray, maps: dict, names: tuple[str, ...], colors: tuple
) -> np.ndarray:
    """Mixes known pixels with the color of their category; instances get a border."""
    categories, instances = maps["categories"], maps["instances"]
    table = np.array([*colors, (0, 0, 0)], np.uint8)  # the last is that of index -1
    mixed = cv2.addWeighted(image, 0.5, table[categories], 0.5, 0)
    image = np.where(categories[:, :, None] < 0, image, mixed)
    thickness = max(1, round(max(image.shape) / 640))
    for number in np.unique(instances[instances > 0]).tolist():
        mask = (instances == number).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, contours, -1, (255, 255, 255), thickness)
        kind = categories[mask > 0][0]
        top = np.argwhere(mask)[0].tolist()
        write(image, names[kind], (top[1], top[0]), colors[kind])
    return image


def save_panoptic(
    maps: dict, names: tuple[str, ...], colors: tuple, path: Path
) -> dict:
    """Saves maps as datasets have them, in two pages; returns the name of their file,
    and the instances by the number that they have there."""
    table = np.array([*colors, (0, 0, 0)], np.uint8)
    first = Image.fromarray(table[maps["categories"]])
    second = Image.fromarray(maps["instances"].astype(np.uint16))
    pages = {"append_images": [second], "compression": "tiff_deflate"}
    first.save(path, "TIFF", save_all=True, **pages)
    numbers, indices = np.unique(maps["instances"], return_index=True)
    kinds = maps["categories"].flatten()[indices]
    instances = [
        {
            "instance": number,
            "category": names[kind],
            "score": maps["scores"][number - 1],
        }
        for number, kind in zip(numbers.tolist(), kinds.tolist())
        if number
    ]
    return {"file": path.name, "instances": instances}
