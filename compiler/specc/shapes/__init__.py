"""Drawn datasets of simple shapes, for the demo and for tests that train."""

from importlib.util import find_spec

for _name in ("cv2", "numpy", "yaml"):
    if find_spec(_name) is None:
        raise ModuleNotFoundError(
            f"{_name} is missing; install what the demo needs: "
            "pip install 'specc[train]'",
            name=_name,
        )
