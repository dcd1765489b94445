"""A unit vector an image: global average pooling, a linear layer, and the cosines
between the vector and the centers of the identities, which the loss needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import MetricLearning
    from specc.scope import Node, Scope


def build(net: Scope, head: MetricLearning, levels: dict[int, Node]) -> dict[str, Node]:
    """Outputs: embedding (size,), cosines (identities, subcenters)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    x = here.linear("linear", x, head.embedding_size)
    embedding = here.unit("embedding", x)
    split = (len(head.identities), head.subcenters)
    return {
        "embedding": embedding,
        "cosines": here.cosines("centers", embedding, split),
    }
