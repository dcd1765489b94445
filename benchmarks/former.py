"""How emitted code did it at commit 852e1f4: the other side of `data_speed.py`.

The functions stand as they were emitted, but for `data` and `evaluate`: modules of today,
whose other functions and constants they use.
"""

from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np
from faster_coco_eval.core import mask as coco_mask


class Data:
    """Functions of data.py: maps of categories by their colors, and instances on the canvas."""

    def __init__(self, data: ModuleType):
        self.data = data

    def read_categories(self, path, colors):
        image = self.data.read_map(path, cv2.IMREAD_COLOR)  # blue first
        codes = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA).view("<i4")[..., 0] & 0xFFFFFF
        known = np.array([(0, 0, 0), *colors]) @ [1 << 16, 1 << 8, 1]
        order = known.argsort()
        place = np.searchsorted(known, codes, sorter=order).clip(max=len(colors))
        index = order[place]
        unknown = known[index] != codes
        if unknown.any():
            raise ValueError(f"{path}: an unknown color")
        return (index - 1).astype(np.int16)

    def moved_instances(self, instances, transform):
        sides, found = [self.data.WIDTH, self.data.HEIGHT], []
        limits, margin_share = np.float32(sides * 2), self.data.MARGIN
        boxes = transform.move(instances.boxes)
        for box, category, runs in zip(boxes, instances.classes, instances.masks):
            mask = coco_mask.decode(runs)
            visible = np.clip(box, 0, limits)
            if (visible != box).any():
                visible = self.hull_of(mask, visible, transform)
            if visible is not None:
                margin = margin_share * (visible[2:] - visible[:2])
                region = visible + np.concatenate([-margin, margin])
                region = np.clip(region, 0, limits)
                grid = self.on_grid(mask, transform, *self.grid_of(region))
                found.append((visible, category, region, grid))
        boxes, classes, regions, masks = zip(*found) if found else ((), (), (), ())
        return self.data.Grids(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(classes, np.int64),
            np.array(regions, np.float32).reshape(-1, 4),
            np.array(masks, np.uint8).reshape(-1, self.data.GRID, self.data.GRID),
        )

    def hull_of(self, mask, part, transform):
        left, top, right, bottom = part
        x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
        seen = self.on_grid(mask, transform, x, y)
        if seen.sum() <= 0.25 * mask.sum() * abs(transform.scale.prod()):
            return None
        columns, rows = seen.any(0).nonzero()[0], seen.any(1).nonzero()[0]
        hull = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        return np.minimum(np.tile(part[:2], 2) + hull, np.tile(part[2:], 2))

    def grid_of(self, region):
        steps = (np.arange(self.data.GRID) + 0.5) / self.data.GRID
        x, y = region[:2, None] + steps * (region[2:] - region[:2])[:, None]
        return x, y

    def on_grid(self, mask, transform, x, y):
        mask = mask.T if transform.transposed else mask
        height, width = mask.shape
        x = np.floor((x - transform.offset[0]) / transform.scale[0]).astype(int)
        y = np.floor((y - transform.offset[1]) / transform.scale[1]).astype(int)
        y = y[:, None]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return inside * mask[y.clip(0, height - 1), x.clip(0, width - 1)]


class Evaluate:
    """Functions of evaluate.py: maps at the size of the image, and their counts; retrieval."""

    def __init__(self, evaluate: ModuleType):
        self.evaluate = evaluate

    def categories_in_words(self, results, row, stride, sample, seen):
        logits = results["logits"][row : row + 1]
        size = sample.height, sample.width
        logits = self.evaluate.enlarge(logits, stride, seen, size)
        return logits[0].argmax(0).short().numpy()

    def count_pixels(self, truth, found, categories):
        truth = self.evaluate.resized_map(truth, *found.shape)
        found, truth = found[truth >= 0], truth[truth >= 0]
        groups = (truth, found, truth[truth == found])
        return np.stack([np.bincount(group, minlength=categories) for group in groups])

    def retrieval_metrics(self, truth, found, device=None):
        identities = np.unique(truth, return_inverse=True)[1]
        embeddings = np.array([words["embedding"] for words in found], np.float32)
        others = np.bincount(identities)[identities] - 1  # R of each image
        nearest = max(5, others.max())
        hits = []
        for query in others.nonzero()[0].tolist():
            similarity = embeddings @ embeddings[query]
            similarity[query] = -np.inf
            order = np.argsort(-similarity, kind="stable")[:-1][:nearest]
            hits.append(identities[order] == identities[query])
        hits, others = np.array(hits), others[others > 0]
        ranks = np.arange(1, hits.shape[1] + 1)
        precision = hits.cumsum(1) / ranks
        counted = hits & (ranks <= others[:, None])
        return {
            "recall_at_1": float(hits[:, 0].mean()),
            "recall_at_5": float(hits[:, :5].any(1).mean()),
            "map_at_r": float(((precision * counted).sum(1) / others).mean()),
        }
