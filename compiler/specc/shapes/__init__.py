"""Drawn datasets of simple shapes, for the demo and for tests that train."""

from importlib.util import find_spec

from specc.resources import install

for _name in ("cv2", "numpy", "yaml"):
    if find_spec(_name) is None:
        raise ModuleNotFoundError(
            f"{_name} is missing; install what the demo needs: {install('train')}",
            name=_name,
        )
