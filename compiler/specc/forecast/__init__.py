"""Time and memory of a run before it: a few steps and one validation of the emitted
train.py are measured in a process of its own, and the run is reckoned from them."""
