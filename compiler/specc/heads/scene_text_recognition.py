"""A text, all of its tokens at once: a learned query for each place in the text attends
to the cells of a level.

"Read Like Humans: Autonomous, Bidirectional and Iterative Language Modeling for Scene
Text Recognition", Fang et al. 2021, arXiv:2103.06495
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.text_decoder import Reading, cells, decode

if TYPE_CHECKING:
    from specc.job import SceneTextRecognition
    from specc.scope import Node, Scope


def build(
    net: Scope, head: SceneTextRecognition, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (places, tokens + 1); the last place is for the end alone."""
    here, places = net.at(head.level), head.max_tokens + 1
    image = cells(here, levels[head.level], head.width)
    x = here.embedding("places", places, places, head.width)
    return {"logits": decode(here, head, x, image, Reading(places, again=False))}
