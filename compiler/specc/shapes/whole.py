"""What a scene of shapes is as a whole: the tasks that say one thing of an image."""

from __future__ import annotations

BACKGROUNDS = ("plain", "stripes", "checks")

METADATA = [
    {
        "task": "metric learning",
        "identities": list(BACKGROUNDS),
        "annotations": "identities.yaml",
    },
]
