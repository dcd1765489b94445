"""Counts the numbers in the outputs of operations. A module of its own: it imports
torch."""

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Elements(TorchDispatchMode):
    """A dispatch mode that sums up sizes of first outputs in ``count``, without
    views."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **(options or {}))
        returns = operation._schema.returns
        made = [x for x in tree_leaves(result) if hasattr(x, "numel")]
        if made and not _is_view(returns[0]):
            self.count += made[0].numel()
        return result


def _is_view(returned) -> bool:
    alias = returned.alias_info
    return alias is not None and not alias.is_write
