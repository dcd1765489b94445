"""The pairs of a dataset and a task that `first_run.py` trains and judges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A dataset and a task to ask `specc init` for, and the metric that judges."""

    dataset: str  # below the folder of datasets
    task: str
    metric: str  # judges one image; naive.py has those that need all images
    file: str = ""  # describes the dataset, where its folder does not

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.task}".replace("_", "-")


LOWER_IS_BETTER = ("mae", "rmse", "character_error_rate")
OWN = (  # each dataset with its own task
    Pair("cifar10", "multiclass_classification", "accuracy"),
    Pair("bccd", "object_detection", "ap50"),
    Pair("bccd_voc", "object_detection", "ap50"),
    Pair("coco128_yolo", "object_detection", "ap50"),
    Pair("coco_panoptic", "panoptic_segmentation", "pq"),
    Pair("camvid", "semantic_segmentation", "mean_iou"),
    Pair("nuclei", "instance_segmentation", "ap50"),
    Pair("faces", "keypoint_detection", "pck10"),
    Pair("rgbd", "depth_estimation", "rmse"),
    Pair("sudoku", "quadrilateral_detection", "ap"),
    Pair("captcha", "scene_text_recognition", "character_error_rate"),
    Pair("omniglot", "metric_learning", "recall_at_1"),
    Pair("tiles", "anomaly_detection", "image_auroc"),
    Pair("houses", "regression", "mae"),
)
OTHERS = (  # the tasks that are no dataset's own
    Pair("captcha", "autoregressive_text_recognition", "character_error_rate"),
    Pair("houses", "autoencoding", "psnr"),
    Pair("cifar10", "view_invariance_learning", "knn_accuracy"),
)
CONVERTED = (  # each step between tasks, some of them in one way
    Pair("coco_panoptic", "object_detection", "ap50"),  # by instances
    Pair("camvid", "multilabel_classification", "mean_average_precision"),
    Pair("coco_panoptic", "semantic_segmentation", "mean_iou"),
    Pair("coco128_yolo", "multilabel_classification", "mean_average_precision"),
    Pair("faces", "quadrilateral_detection", "ap"),  # by objects
    Pair("sudoku", "object_detection", "ap"),  # the mean box reaches an AP50 of .98
    Pair("cifar10", "metric_learning", "recall_at_1"),
    Pair("cifar10", "multilabel_classification", "mean_average_precision"),
)
PAIRS = OWN + OTHERS + CONVERTED
