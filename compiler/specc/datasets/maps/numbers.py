"""Looks for depths and for numbers of instances in maps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from specc.datasets.files import Unlike, Unplaced, opened, spread
from specc.datasets.tables.columns import nice_range
from specc.datasets.maps.pixels import Seen

SOME = 60  # most maps that are read
NUMBERED = 12  # most maps in which numbers are followed
UNREAD = (".pfm", ".npz", ".mat", ".h5")  # formats of depths that none reads
DEPTH = re.compile(r"depth|disp|distance|range_?map|velodyne|zmap")
KITTI = re.compile(r"kitti|proj_depth|velodyne|groundtruth_depth|depth_annotated")
LARGEST = 65535  # value of 16 bits, which some cameras write where they see nothing
MILLIMETERS, OF_KITTI = 0.001, 1 / 256
OF_OTHER_UNIT = (
    "if they are of another unit, write its meters as `unit` of the head, as 0.00390625"
    " for KITTI's 256ths of a meter, and `range` in meters"
)
Options = tuple[dict, tuple[str, ...]]


def depths(maps: list[Path], seen: Seen) -> Options | None:
    """Returns the options of a head that learns depths in meters, and what they rest
    on; None where the maps hold none. Raises Unlike."""
    suffix = maps[0].suffix.lower()
    if suffix == ".exr":
        what = "OpenCV's packages do not read OpenEXR"
        raise Unplaced(f"{maps[0]}: {what}", _to_arrays(maps[0].parent))
    place = maps[0].as_posix().lower()
    named = bool(DEPTH.search(place)) or bool(KITTI.search(place))
    if suffix in UNREAD:
        raise unread_arrays(maps[0], named)
    spans, kinds = _spans(maps)
    if "other" in kinds and named and suffix == ".npy":
        what = "its pixels cannot be read as depths: they are no real numbers"
        raise Unlike(f"{maps[0]}: {what}")
    if not spans or "other" in kinds:
        return None
    if kinds == {"byte"}:
        if named:
            raise Unlike(
                f"{maps[0]}: depths of 8 bits, whose unit nothing tells: write"
                " a job with `unit` and `range`"
            )
        return None
    if kinds == {"deep"} and not named and seen.most <= 256:
        return None
    unit, told = None, ("depths are taken for meters; 0 is unknown",)
    if kinds == {"deep"}:
        kitti = bool(KITTI.search(place))
        unit = OF_KITTI if kitti else MILLIMETERS
        what = "256ths of a meter, as KITTI's" if kitti else "millimeters"
        told = (f"values of 16 bits are taken for {what}; 0 is unknown",)
        told += (OF_OTHER_UNIT,) * (not kitti)
        if max(x[1] for x in spans) == LARGEST:
            what = f"{LARGEST} occurs, and is taken for {LARGEST * unit:.5g} m"
            told = (*told, f"{what}: write 0 if it means that nothing is known")
    elif len(kinds) > 1:
        raise Unlike(f"{maps[0]}: depths in integers here, in floats there")
    low, high = (
        scale * (unit or 1) for scale in (min(spans)[0], max(x[1] for x in spans))
    )
    if not low < high:
        raise Unlike(f"{maps[0]}: all depths are {low:.4g}")
    options = {"range": nice_range(low, high)} | ({"unit": unit} if unit else {})
    return options, told


def unread_arrays(path: Path, of_depths: bool) -> Unplaced:
    """Returns the fault of maps in a format that is not read, with a command that
    writes images beside those of NumPy; the later of two suffixes is read."""
    suffix = path.suffix.lower()
    what = "depths" if of_depths else "maps of categories"
    form = "TIFF of float32, in meters" if of_depths else "PNG of 8 bits"
    told = f"{path}: {what} in {suffix} are not read: write them as {form}"
    if suffix not in (".npy", ".npz"):
        return Unplaced(
            told,
            f"write {path.stem}.{'tiff' if of_depths else 'png'} for it, and so on",
        )
    kind, ending = ("float32", "tiff") if of_depths else ("uint8", "png")
    array = "numpy.load(p)" if suffix == ".npy" else "[*numpy.load(p).values()][0]"
    code = (
        "import numpy, sys; from PIL import Image; "
        f"[Image.fromarray({array}.astype('{kind}')).save(p[:-3] + '{ending}')"
        " for p in sys.argv[1:]]"
    )
    files = shlex.quote(path.parent.as_posix())
    return Unplaced(told, f'python -c "{code}" {files}/*{suffix}')


def _to_arrays(folder: Path) -> str:
    """Returns the command that writes OpenEXR files of depths as arrays beside them."""
    read = "next(iter(OpenEXR.File(p).channels().values())).pixels"
    code = (
        "import numpy, OpenEXR, sys; "
        f"[numpy.save(p[:-4], {read}) for p in sys.argv[1:]]"
    )
    files = shlex.quote(folder.as_posix())
    return f"pip install OpenEXR && python -c {shlex.quote(code)} {files}/*.exr"


def _spans(maps: list[Path]) -> tuple[list[tuple[float, float]], set[str]]:
    """Returns the nearest and farthest value of some maps, and the kinds of their
    values: byte, deep, float or other."""
    import numpy as np

    spans, kinds = [], set()
    for path in spread(maps, SOME):
        try:
            if path.suffix.lower() == ".npy":
                values = np.load(path, allow_pickle=False)
            else:
                with opened(path) as image:
                    if image.mode in ("1", "P"):
                        return [], {"other"}
                    values = np.asarray(image)
            values = values.reshape(values.shape[:2])
        except Exception:  # a broken file can raise any exception
            if path.suffix.lower() != ".npy":
                kinds.add("other")
            continue
        names = {"f": "float", "u": "deep", "i": "deep"}
        byte = values.dtype == np.uint8
        kinds.add("byte" if byte else names.get(values.dtype.kind, "other"))
        if "other" in kinds:
            return [], kinds
        known = values[np.isfinite(values) & (values > 0)]
        if known.size:
            spans.append((float(known.min()), float(known.max())))
    return spans, kinds


def numbers(maps: list[Path], seen: Seen) -> Options | None:
    """Returns the options of a head that learns numbered instances; None where values
    are no such numbers."""
    found = {value for kind in seen.values.values() for value in kind}
    if seen.modes.keys() - {"L", "P", "I;16", "I;16B", "I"} or 0 not in found:
        return None
    if len(found - {0}) < 2:
        return None  # one value would make one of instances that touch
    connected = total = 0
    for path in spread(maps, NUMBERED):
        whole, count = _connected(path)
        connected, total = connected + whole, total + count
    if total == 0 or connected < 0.8 * total:
        return None
    told = ("each value but 0 is taken for the number of an instance",)
    return {"categories": ["object"]}, told


def _connected(path: Path) -> tuple[int, int]:
    """Returns how many of a map's values are each in one piece, of how many."""
    import cv2
    import numpy as np

    try:
        with opened(path) as image:
            pixels = np.asarray(image)
    except Exception:  # a broken file can raise any exception
        return 0, 0
    values = np.unique(pixels[pixels > 0])
    if len(values) > 5000:  # depths
        return 0, len(values)
    whole, some = 0, values[:: -(-len(values) // 100) or 1]
    for value in some.tolist():
        pieces = cv2.connectedComponents((pixels == value).astype(np.uint8))[0] - 1
        whole += pieces == 1
    return whole, len(some)
