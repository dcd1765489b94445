"""Recognizes layouts that `specc import` reads, by names of files, so that `specc init`
can propose it."""

from __future__ import annotations

from pathlib import Path

from specc.datasets import labelme
from specc.datasets.files import entries, folders_in

SIGNS = {  # datumaro's format -> patterns of files, of which one is there
    "ade20k2020": ("*/*/*_parts_1.png", "*/*_parts_1.png"),
    "celeba": ("Anno/list_attr_celeba.txt", "list_attr_celeba.txt"),
    "align_celeba": ("list_attr_align_celeba.txt", "Anno/list_landmarks_align*.txt"),
    "icdar_text_localization": ("*/gt_img_*.txt", "*/gt/gt_*.txt", "gt_img_*.txt"),
    "kitti_detection": ("label_2", "training/label_2", "*/label_2"),
    "lfw": ("annotations/pairs.txt", "*/annotations/pairs.txt"),
    "mapillary_vistas": ("config_v*.json", "*/v*/panoptic", "*/panoptic/*.json"),
    "market1501": ("bounding_box_train",),
    "mot_seq": ("gt/gt.txt", "*/gt/gt.txt"),
    "mpii": ("mpii_human_pose_v1_u12_1.mat",),
    "mpii_json": ("jnt_visible.npy", "mpii_annotations.json"),
    "nyu_depth_v2": ("*/*.h5", "*.h5"),
    "vgg_face2": ("bb_landmark", "bb_landmark/loose_bb_*.csv"),
    "vott_json": ("*-export.json", "vott-json-export/*-export.json"),
    "wider_face": ("wider_face_split",),
}
EXPORTS = {  # text in files of a tool's own format -> the tool, and what it exports
    'rectanglelabels"': ("Label Studio", "the project as COCO or YOLO"),
    'polygonlabels"': ("Label Studio", "the project as COCO"),
    'brushlabels"': ("Label Studio", "the project as COCO"),
    'annotation_id"': ("Label Studio", "the project as CSV, COCO or YOLO"),
    "geometryType": ("Supervisely", "the project as COCO or Pascal VOC"),
    "region_attributes": ("VGG Image Annotator", "its annotations as COCO"),
    '"data_row"': ("Labelbox", "the project as COCO"),
    '"box2d":': ("BDD100K", "its labels as COCO, by bdd100k.label.to_coco"),
    '"coordinates":{': ("Create ML", "the dataset as COCO or YOLO"),
}
PACKED = {  # suffix of files that hold their images -> what they are, and the way
    ".tfrecord": ("TFRecord", "export the dataset as COCO or Pascal VOC"),
    ".tfrecords": ("TFRecord", "export the dataset as COCO or Pascal VOC"),
    ".parquet": ("Parquet", "save its images, and a metadata.jsonl that names them"),
    ".arrow": ("Arrow", "save its images, and a metadata.jsonl that names them"),
    ".lmdb": ("LMDB", "save its images, and a table that names them"),
    ".mdb": ("LMDB", "save its images, and a table that names them"),
    ".npz": ("NumPy", "save its images, and a table that names them"),
}
UNREAD = (  # suffixes of images that neither OpenCV nor Pillow reads
    *(".heic", ".heif", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".raw", ".psd"),
    *(".dcm", ".dicom", ".nii", ".svg", ".ai"),
)
WORKBOOKS = (".xlsx", ".xls", ".ods")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
TEXTS = (".json", ".csv", ".ndjson")
LOOKED_AT, MANY = 20, 1000  # most files that are looked at, and that are counted
START = 100_000  # bytes of a file that are looked at


def exported(folder: Path) -> tuple[str, str] | None:
    """Returns text on a file in the own format of a tool, which is not read, and on
    what the tool exports that is; None without such a file."""
    for path in _some(folder, TEXTS):
        try:
            with path.open("rb") as file:
                start = file.read(START)
        except OSError:
            continue
        if b'"categories"' in start:
            continue  # a file of COCO's layout may hold these texts, too
        for text, (tool, exports) in EXPORTS.items():
            if text.encode() in start.replace(b'""', b'"').replace(b'": ', b'":'):
                return f"{path} is in the own format of {tool}", f"export {exports}"
    return None


def packed(folder: Path) -> tuple[str, str] | None:
    """Returns text on a file that holds images, and on the way to unpack it; None
    without such a file."""
    for path in _some(folder, tuple(PACKED)):
        what, way = PACKED[path.suffix.lower()]
        return f"{path} holds images as {what}, which is not read", way
    if found := unread_images(folder):
        return found, "save them as PNG or JPEG"
    for path in _some(folder, WORKBOOKS):
        return f"{path} is a workbook, which is not read", "save it as CSV in UTF-8"
    for path in _some(folder, ARCHIVES):
        return f"{path} is not unpacked", f"unpack it into {path.parent}"
    return None


def unread_images(folder: Path) -> str:
    """Returns text on images in a folder of kinds that are not read; "" without."""
    places = _some(folder, UNREAD, most=MANY, of_each=MANY)
    if not places:
        return ""
    count = f"{len(places)}{' or more' * (len(places) == MANY)}"
    are = "image is" if count == "1" else "images are"
    return f"{count} {are} of a kind that is not read, as {places[0]}"


def _some(
    folder: Path, suffixes: tuple[str, ...], most: int = LOOKED_AT, of_each: int = 2
) -> list[Path]:
    """Returns some files with a suffix, of each folder down to two levels below one."""
    places = [folder, *folders_in(folder)]
    places += [inner for place in places[1:] for inner in folders_in(place)]
    found: list[Path] = []
    for place in places:
        files = (x for x in entries(place) if x.suffix.lower() in suffixes)
        found += [path for path in files if path.is_file()][:of_each]
    return found[:most]


def recognized(folder: Path) -> str:
    """Returns the name of a format that `specc import` reads, or ""."""
    if not folder.is_dir():
        return ""
    if _is_cvat(folder):
        return "cvat"
    if labelme.is_there(folder):
        return labelme.FORM
    for name, patterns in SIGNS.items():
        if any(next(folder.glob(pattern), None) for pattern in patterns):
            return name
    return ""


def _is_cvat(folder: Path) -> bool:
    """Returns whether a file of CVAT for images, or for video, lies in the folder."""
    for path in (*folder.glob("*.xml"), *folder.glob("*/annotations.xml")):
        try:
            with path.open("rb") as file:
                start = file.read(2000)
        except OSError:
            return False
        if b"<annotations>" in start and b"<version>" in start:
            return True
    return False
