"""The necks: all that the compiler knows of a kind of neck stands in its module."""

from specc.necks import bifpn, fpn
from specc.necks.kind import Kind

KINDS: dict[str, Kind] = {"fpn": fpn.KIND, "bifpn": bifpn.KIND}  # by name in the job
