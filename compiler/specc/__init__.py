"""specc: a declarative computer-vision job becomes PyTorch code that people own."""

__version__ = "0.1.0"
