"""The places of images and labels of a reader: the parts of its calls and of its body
that the layout of the datasets decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from specc.job import HeadData, Layout
from specc.source import Line, constant, literal

VOC = {"images": "JPEGImages", "labels": "Annotations"}  # folders beside ImageSets/
YAML = (".yaml", ".yml")
BELOW, ONE_BELOW = "paths below --data", "path below --data"
SETS = ("train", "validation", "test")


@dataclass(frozen=True)
class Places:
    """The places of a reader's datasets; `prefix` is that of the reader's constants."""

    source: HeadData
    prefix: str

    @property
    def layout(self) -> Layout:
        return self.source.layout or Layout()

    @property
    def kind(self) -> str:
        """How the sets are named, if not as the format does: "listed", where names are
        in a file of their own, "folder" of images; or ""."""
        if self.source.format == "yolo" and self.layout.names:
            return "listed"
        if self.source.format == "voc" and not self.is_list:
            return "folder"
        return ""

    @property
    def is_list(self) -> bool:
        """Whether a text file lists the images of a set."""
        split = self.source.format == "voc" and self.layout.train_labels is None
        return split or suffix_of(self.source.train) == ".txt"

    @property
    def has_entry(self) -> bool:
        """Whether a `data.yaml` is read."""
        if self.source.format != "yolo":
            return False
        return not self.layout.names or suffix_of(self.layout.names) in YAML

    @property
    def folders(self) -> tuple[str, ...]:
        """The parameters of a reader that are folders."""
        named = {
            "images": self.layout.train_images,
            "labels": self.layout.train_labels,
        }
        if self.source.format == "voc" and self.is_list and any(named.values()):
            return ("images", "labels")
        placed = self.kind or self.source.format == "dota"
        return tuple(key for key, folder in named.items() if folder and placed)

    @property
    def constants(self) -> tuple[Line, ...]:
        """The constants that hold places, but for those of the sets."""
        lines = []
        for what in self.folders:
            sets = [name for name in SETS if getattr(self.source, name)]
            names = [f"{self.prefix}{one}_{what}".upper() for one in sets]
            folders = tuple(self._folder(one, what) for one in sets)
            value = folders if len(folders) > 1 else folders[0]
            note = BELOW if len(folders) > 1 else ONE_BELOW
            lines.append(constant(", ".join(names), value, note))
        if self.kind == "listed":
            name = f"{self.prefix}NAMES_FILE"
            lines.append(constant(name, self.layout.names, ONE_BELOW))
        if self.source.format == "yolo" and self.layout.prefix:
            note = "removed from paths in the files of the dataset"
            lines.append(constant(f"{self.prefix}PREFIX", self.layout.prefix, note))
        return tuple(lines)

    def arguments(self, use: str, root: str) -> str:
        """Returns the folders as arguments; `use` is TRAIN, VALIDATION or TEST."""
        names = (f"{self.prefix}{use}_{what.upper()}" for what in self.folders)
        return "".join(f", {root} / {name}" for name in names)

    def _folder(self, use: str, what: str) -> str:
        """Returns a folder that the layout names, or else that of Pascal VOC."""
        if folder := getattr(self.layout, f"{use}_{what}"):
            return folder
        above = [*PurePosixPath(getattr(self.source, use)).parents][:3][-1]
        return (above / VOC[what]).as_posix()

    # ---- In the body of a reader ----

    @property
    def files(self) -> str:
        """The expression of a set's images."""
        if self.kind == "listed" and not self.is_list or self.kind == "folder":
            return "images_in_folder(path, counts)"
        removed = f".removeprefix({self.prefix}PREFIX)" * bool(self.layout.prefix)
        if self.kind == "listed":
            led = f"below(source.parent, line{removed}, root)"
            return f"images_in_list(path, lambda line: {led})"
        split = "path, entry, split, root, counts"
        if removed:
            return f"images_moved({self.prefix}PREFIX, {split})"
        return f"images_of({split})"

    @property
    def labels(self) -> str:
        """The expression of an image's file of labels."""
        suffix = literal(".xml" if self.source.format == "voc" else ".txt")
        if "labels" in self.folders or self.source.format == "dota":
            return f"label_folder / file.relative_to(path).with_suffix({suffix})"
        return "labels_path(file)"

    @property
    def named_in(self) -> str:
        """The expression of the file with the names of the categories."""
        return "source" if self.kind == "listed" else "path"

    @property
    def described(self) -> str:
        """Text that says what a set is."""
        return "a list of images" if self.is_list else "a folder of images"

    @property
    def names_described(self) -> str:
        return "a mapping with `names`" if self.has_entry else "a name a line"

    @property
    def set_described(self) -> str:
        return "a path a line" if self.is_list else "images, at any depth"


def suffix_of(path: str) -> str:
    return PureWindowsPath(path).suffix.lower()
