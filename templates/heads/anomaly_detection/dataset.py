# ==== labels


class Inspection(NamedTuple):
    """The annotation of an image."""

    anomalous: bool
    mask: Path | None  # white where it is anomalous


# ==== readers_native


def read_inspections(folder: Path, training: bool) -> dict:
    """Returns the label and the mask of each image. In a set to train on all are normal
    without annotations; with some, anomalous images are left out."""
    path, (entry, *_) = entries_of(folder, "anomaly detection")
    if "annotations" in entry:
        labels = annotations_of(path, entry)
    elif training:
        labels = dict.fromkeys(read_images(folder), "normal")
    else:
        raise SystemExit(f"{path}: no `annotations`: which images are anomalous?")
    if training:
        normal = {name: x for name, x in labels.items() if x != "anomalous"}
        if left_out := len(labels) - len(normal):
            tell(path, Counter({"images left out: anomalous": left_out}))
        return {name: x if x is None else (x, None) for name, x in normal.items()}
    for label in ("normal", "anomalous"):
        if label not in labels.values():
            raise SystemExit(
                f"{path}: no image is {label}, validation needs both kinds"
            )
    masks = masks_of(folder, path, entry, labels)
    return {name: x if x is None else (x, masks[name]) for name, x in labels.items()}


def masks_of(folder: Path, path: Path, entry: dict, labels: dict) -> dict:
    """Returns the mask of each image, which has its stem, in the folder that the entry
    names: each anomalous image has to have one, and no other. Without a folder none
    has."""
    if "masks" not in entry:
        return dict.fromkeys(labels)
    try:
        masks = below(folder, entry["masks"])
        files = {file.stem: file for file in listed_images(masks)}
    except ValueError as error:
        raise SystemExit(f"{path}: masks: {error}") from None
    missing = {
        name: masks / f"{Path(name).stem}.png"
        for name, label in labels.items()
        if label == "anomalous"
    }
    return {name: files.get(Path(name).stem, missing.get(name)) for name in labels}


# ==== parsers


def parse_inspection(given: tuple, height: int, width: int) -> Inspection:
    """Returns a label and a mask, once checked; the mask is decoded later."""
    label, mask = given
    if label not in ("normal", "anomalous"):
        raise ValueError(f"neither `normal` nor `anomalous`: {label!r:.100}")
    if mask and label == "normal":
        raise ValueError(f"it is normal, and has a mask: {mask}")
    if mask:
        parse_map(mask, height, width, MASK_MODES)
    return Inspection(label == "anomalous", mask)
