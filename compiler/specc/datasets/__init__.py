"""Looking at datasets: `specc init` and `specc data`.

Builds do not import these modules. Libraries of the extra `train` (Pillow, PyYAML,
OpenCV, matplotlib, PyTorch) are imported where they are used.
"""
