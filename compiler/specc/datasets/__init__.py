"""Looking at datasets: `specc init` and `specc data`.

Nothing of a build imports this. What needs more than the standard library (Pillow,
PyYAML, OpenCV, matplotlib, PyTorch: the extra `train`) is imported where it is used.
"""
