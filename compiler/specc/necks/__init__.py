"""The necks: one module for each kind, with all that the compiler knows about the
kind."""

from specc.necks import bifpn, fpn
from specc.necks.kind import Kind

# Name in the job -> kind of neck.
KINDS: dict[str, Kind] = {"fpn": fpn.KIND, "bifpn": bifpn.KIND}
