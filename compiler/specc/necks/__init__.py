"""The necks: what fuses the backbone's levels, one module a kind."""

from specc.necks import fpn

BUILDERS = {"fpn": fpn.build}  # kind in the job -> builder
