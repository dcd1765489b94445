"""Real sets written in the layouts of COCO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from foreign import Picture, Sets, link, outline
from layouts_coco import write as write_json
from PIL import Image


def coco(of: Sets, pictures: list[Picture], prefix: str = "", polygons=False) -> dict:
    categories = [{"id": i, "name": name} for i, name in enumerate(of.names, 1)]
    content = {"images": [], "annotations": [], "categories": categories}
    for number, picture in enumerate(pictures):
        image = {"id": number, "file_name": f"{prefix}{picture.path.name}"}
        size = {"height": picture.height, "width": picture.width}
        content["images"].append(image | size)
        for thing in picture.label:
            item = {"id": len(content["annotations"]), "image_id": number}
            item |= {"iscrowd": 0, "category_id": 1}
            if "category" in thing:
                item["category_id"] = 1 + of.names.index(thing["category"])
            if "keypoints" in thing:
                points = [thing["keypoints"].get(name) for name in of.names]
                item["keypoints"] = [
                    x for p in points for x in (*(p or (0, 0)), 2 * bool(p))
                ]
                known = np.array([p for p in points if p])
                thing = {"bbox": [*known.min(0), *known.max(0)]} | thing
            left, top, right, bottom = map(float, thing["bbox"])
            item["bbox"] = [left, top, right - left, bottom - top]
            if "mask" in thing:
                counts = thing["mask"]["counts"].decode()
                item["segmentation"] = thing["mask"] | {"counts": counts}
            if polygons:
                found = outline(thing["mask"])
                item["segmentation"] = [x.round(3).ravel().tolist() for x in found]
            content["annotations"].append(item)
    return content


def of_people(content: dict, names: list[str]) -> dict:
    return content | {"categories": [{"id": 1, "name": "face", "keypoints": names}]}


def roboflow_coco(folder: Path, of: Sets) -> None:
    for (_, pictures), name in zip(of.sets.items(), ("train", "valid", "test")):
        for picture in pictures:
            link(picture, folder / name)
        content = coco(of, pictures)
        content["categories"].insert(0, {"id": 0, "name": "things"})
        for category in content["categories"][1:]:
            category["supercategory"] = "things"
        write_json(folder / name / "_annotations.coco.json", content)


def unpacked_coco(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / f"{name}2017")
        path = folder / "annotations" / f"instances_{name}2017.json"
        write_json(path, coco(of, pictures))


def coco_of_polygons(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / "images" / name)
        path = folder / "annotations" / f"instances_{name}.json"
        write_json(path, coco(of, pictures, polygons=True))


def coco_keypoints(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / f"{name}2017")
        path = folder / "annotations" / f"person_keypoints_{name}2017.json"
        write_json(path, of_people(coco(of, pictures), of.names))


def label_studio_coco(folder: Path, of: Sets) -> None:
    for picture in of.sets["train"]:
        link(picture, folder / "images")
    write_json(folder / "result.json", coco(of, of.sets["train"], "images/"))


def coco_panoptic(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        content = coco(of, [])
        for number, picture in enumerate(pictures):
            link(picture, folder / f"{name}2017")
            image = {"id": number, "file_name": picture.path.name}
            size = {"height": picture.height, "width": picture.width}
            content["images"].append(image | size)
            categories, instances = picture.label.values()
            pairs = np.stack([categories, instances], 2).reshape(-1, 2)
            kinds, ids = np.unique(pairs, axis=0, return_inverse=True)
            ids = 257 * (1 + ids.reshape(categories.shape))
            ids[categories < 0] = 0
            pixels = np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2)
            png = f"{picture.path.stem}.png"
            path = folder / "annotations" / f"panoptic_{name}2017" / png
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            parts = [
                {"id": 257 * (1 + place), "category_id": 1 + int(kind)}
                for place, (kind, _) in enumerate(kinds)
                if kind >= 0
            ]
            item = {"image_id": number, "file_name": png, "segments_info": parts}
            content["annotations"].append(item)
        for category in content["categories"]:
            category["isthing"] = int(category["name"] in of.things)
        write_json(folder / "annotations" / f"panoptic_{name}2017.json", content)
