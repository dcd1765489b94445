"""The plan of the functions in dataset.py that read images beside maps, the format
maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from specc.heads import once
from specc.job import HeadData, Layout
from specc.plan.heads import HeadPlan
from specc.plan.tables import layout_of
from specc.source import Line, constant


@dataclass(frozen=True)
class Maps:
    """The reading of maps, as variables of templates/dataset."""

    source: HeadData
    heads: tuple[HeadPlan, ...]  # the heads that read them
    prefix: str  # prefix of the constants
    of_normal_images: bool  # whether the folders of images tell which ones are normal

    @property
    def layout(self) -> Layout:
        return layout_of(self.source)

    @property
    def kind(self) -> str:
        """The name of the reader's templates."""
        if self.of_instances:
            return "maps_folders"
        return f"maps{'_normal' * self.of_normal_images}"

    @property
    def of_instances(self) -> bool:
        """Whether each image has a folder of masks."""
        return self.layout.label_folder is not None

    @property
    def listed(self) -> bool:
        """Whether files list the images of sets."""
        return self.layout.train_images is not None

    # ---- The signature and the calls ----

    @property
    def parameters(self) -> str:
        """The parameters of the reader."""
        if self.of_normal_images:
            return "folder: Path, maps: Path | None = None"
        place = "folder"
        if not self.of_instances:
            place = f"{'split: Path, ' * self.listed}folder: Path, maps"
        return f"{place}: Path, training: bool = False"

    def places(self, which: str) -> list[str]:
        """Returns the constants with the paths of a set: TRAIN, VALIDATION or TEST."""
        name = f"{self.prefix}{which}"
        if self.of_instances or self.of_normal_images and which == "TRAIN":
            return [name]
        return [name, *[f"{name}_IMAGES"] * self.listed, f"{name}_LABELS"]

    # ---- Constants ----

    @property
    def constants(self) -> list[Line]:
        """The constants with the folders of maps, and the endings of names."""
        if self.source.format != "maps":
            return []
        layout, prefix = self.layout, self.prefix
        if layout.label_folder is not None:
            note = "beside that of an image: its masks"
            return [constant(f"{prefix}LABEL_FOLDER", layout.label_folder, note)]
        lines = [self._folders("LABELS", "folders of their maps")]
        if self.listed:
            lines.append(self._folders("IMAGES", "folders of their images"))
        ends = ("image_beginning", "label_beginning", "image_ending", "label_ending")
        return lines + [
            constant(f"{prefix}{name.upper()}", getattr(layout, name), "of file names")
            for name in ends
            if getattr(layout, name) is not None
        ]

    def _folders(self, what: str, note: str) -> Line:
        """Returns the constants with the folders of LABELS or IMAGES, by sets."""
        layout = self.layout
        folders = {
            "TRAIN_IMAGES": layout.train_images,
            "TRAIN_LABELS": layout.train_labels,
            "VALIDATION_IMAGES": layout.validation_images or layout.train_images,
            "VALIDATION_LABELS": layout.validation_labels,
            "TEST_IMAGES": layout.test_images or layout.train_images,
            "TEST_LABELS": layout.test_labels,
        }
        sets = ["VALIDATION"] * (self.source.validation is not None)
        sets += ["TEST"] * (self.source.test is not None)
        sets = sets if self.of_normal_images else ["TRAIN", *sets]
        values = tuple(folders[f"{which}_{what}"] for which in sets)
        names = ", ".join(f"{self.prefix}{which}_{what}" for which in sets)
        return constant(names, values if values[1:] else values[0], note)

    # ---- Expressions and texts ----

    @property
    def place(self) -> str:
        """The variable with the path that names a set."""
        return "split" if self.listed else "folder"

    @property
    def images(self) -> str:
        """The expression of the images by what their names share with maps."""
        return self._files("folder", "image")

    @property
    def files(self) -> str:
        """The same of the maps."""
        return self._files("maps", "label")

    def _files(self, folder: str, what: str) -> str:
        """Returns the expression of the images or of the maps in a folder."""
        name, files = (
            f"{self.prefix}{what.upper()}",
            f"images_by_stem({folder}, counts)",
        )
        if getattr(self.layout, f"{what}_ending") is not None:
            files = f"files_ending({folder}, {name}_ENDING, counts)"
        if getattr(self.layout, f"{what}_beginning") is not None:
            files = f"files_beginning({files}, {name}_BEGINNING)"
        return files

    @property
    def beside(self) -> bool:
        """Whether maps are found among the images, too."""
        source, layout = self.source, self.layout
        pairs = (
            (layout.train_images or source.train, layout.train_labels),
            (layout.validation_images or source.validation, layout.validation_labels),
            (layout.test_images or source.test, layout.test_labels),
        )
        return any(
            PurePosixPath(maps).is_relative_to(PurePosixPath(images))
            for images, maps in pairs
            if images is not None and maps is not None
        )

    @property
    def described(self) -> list[str]:
        """Lines that say what the pixels of maps tell."""
        return once([head.code.annotation] for head in self.heads)
