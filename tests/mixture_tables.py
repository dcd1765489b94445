"""Tables in mixtures of options: how they are written, and which columns they have."""

from __future__ import annotations

TABLES = [  # how tables are written; `split` is a column that tells sets apart
    {},
    {"delimiter": "semicolon", "decimal": "comma", "missing": "nan", "suffix": ".jpg"}
    | {"split": "Set"},
    {"delimiter": "tab", "quotes": False, "header": [], "train_images": "images"}
    | {"split": "Set"},
    {"delimiter": "space", "header": [], "validation_images": "a"}
    | {"file_names": "last_part"},
    {"delimiter": "json", "train_images": "a", "validation_images": "b"}
    | {"file_names": "decoded", "prefix": "/home/me/"},
]
BOXES = [
    {"box": ["l", "t", "r", "b"], "size": ["w", "h"]},
    {"box": ["x", "y", "w", "h"], "box_form": "size", "crowd": "many"},
    {"box": ["x", "y", "w", "h"], "box_form": "center", "box_unit": "fractions"},
    {"box": ["bbox"], "box_form": "size"},
]


def table_of(choice: dict, heads: list[str]) -> dict:
    """The layout of a table for the heads of a choice, which are named."""
    layout, boxes = dict(choice["table"]), choice["heads"] == "detector"
    json, name = layout.get("delimiter") == "json", heads[0]
    columns = {"image": "File Name"}
    if boxes:
        columns |= {name: "o.kind" if json else "Kind"}
        layout |= {"box": ["o.bbox"], "box_form": "size"} if json else choice["box"]
        if len(layout["box"]) == 1:
            layout.pop("decimal", None)
    elif name == "tags" and choice["categories"] == 3 and "header" not in layout:
        columns |= {name: [f"kind {i}" for i in range(3)]}
    elif name in ("tags", "word") and not json:
        layout["separator"] = "bar"
    else:
        columns |= {name: "Kind"}
    if "header" in layout:
        named = [columns["image"], *(columns.get(x, x) for x in heads)]
        more = [x for key in ("box", "size") for x in layout.get(key, ())]
        layout["header"] = [
            *named,
            *more,
            *(layout[key] for key in ("crowd", "split") if key in layout),
        ]
        layout["header"] = [*dict.fromkeys(layout["header"])]
    if "split" in layout:
        sets = [x for x in ("train", "validation", "test") if choice.get(x, x)]
        layout |= {f"{name}_rows": name for name in sets}
    return layout | {"columns": columns}
