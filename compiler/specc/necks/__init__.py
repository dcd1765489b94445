"""The necks: what fuses the backbone's levels, one module a kind."""

from specc.necks import bifpn, fpn

BUILDERS = {"fpn": fpn.build, "bifpn": bifpn.build}  # kind in the job -> builder
