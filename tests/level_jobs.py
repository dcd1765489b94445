"""Short ways to write the jobs whose level graphs are tested."""

from types import SimpleNamespace

from specc import job as jobs
from specc.heads.multiclass_classification import MulticlassClassification
from specc.heads.object_detection import ObjectDetection
from specc.necks.bifpn import BiFPN
from specc.necks.fpn import FPN

SHARES = {"batch_size": 16, "accumulation": None, "slurm": None}


def make_job(
    backbone="resnet18", top_level=5, neck=None, heads=None, resolution=(64, 96)
):
    """A resolved job; ``neck`` is (bottom_level, top_level) of an FPN, a neck or None."""
    return jobs.Job(
        name="test",
        data=jobs.Data(
            train="train",
            validation=None,
            test=None,
            validation_fraction=0.1,
            group=None,
            resolution=resolution,
            format="native",
            layout=None,
            task=None,
            channels=3,
            bits=None,
            augmentation=None,
            cache=None,
        ),
        backbone=jobs.Backbone(backbone, top_level, True),
        neck=fpn(*neck) if isinstance(neck, tuple) else neck,
        heads=tuple(heads or [classifier(top_level)]),
        trainer=SimpleNamespace(**SHARES),  # the passes of the level graph read no more
    )


def fpn(bottom, top, extra_levels_from="neck"):
    return FPN("fpn", bottom, top, 32, extra_levels_from)


def bifpn(bottom, top, layers=3, channels=32):
    return BiFPN("bifpn", bottom, top, channels, layers)


def classifier(level, name="kind"):
    names = ("a", "b", "c")
    return MulticlassClassification(
        name, "multiclass_classification", 1.0, None, names, False, level, 0.0
    )


def detector(bottom, top, name="cells", layers=2, max_detections=5):
    return ObjectDetection(
        name=name,
        task="object_detection",
        loss_weight=1.0,
        data=None,
        categories=("a", "b", "c"),
        bottom_level=bottom,
        top_level=top,
        layers=layers,
        score_threshold=0.1,
        iou_threshold=0.5,
        max_detections=max_detections,
    )
