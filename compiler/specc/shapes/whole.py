"""The tasks with one label for a whole scene of shapes."""

from __future__ import annotations

BACKGROUNDS = ("plain", "stripes", "checks")

METADATA = [
    {
        "task": "metric learning",
        "identities": list(BACKGROUNDS),
        "annotations": "identities.yaml",
    },
]
