# ==== drawings


def draw_anomalies(image: np.ndarray, item: dict) -> np.ndarray:
    """Draws red where the image is anomalous, and its score on its lower edge."""
    share = 0.7 * item["map"][:, :, None]
    image = np.uint8(image + share * (np.float32([255, 0, 0]) - image))
    color = (255, 120, 120) if item["label"] == "anomalous" else (160, 255, 160)
    write(image, f"{item['label']} {item['score']:.2f}", (0, image.shape[0]), color)
    return image


def save_anomalies(item: dict, path: Path) -> dict:
    """Saves the map as a gray image, white where it is anomalous as masks are;
    returns what to report, with the name of its file."""
    gray = np.round(255 * item["map"]).astype(np.uint8)
    write_whole(path, cv2.imencode(".png", gray)[1])
    return item | {"map": path.name}


# ==== label_words


def inspection_of(sample: Sample, inspection: Inspection) -> dict:
    mask = read_mask(inspection, sample.height, sample.width)
    if mask is None:  # anomalous at an unknown place
        mask = np.zeros((sample.height, sample.width))
    label = "anomalous" if inspection.anomalous else "normal"
    return {
        "label": label,
        "score": float(inspection.anomalous),
        "map": np.float32(mask),
    }
