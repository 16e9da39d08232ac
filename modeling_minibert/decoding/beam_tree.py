"""Draw a beam search as a tree of text:

    The
    ├─ 50% nice
    │  └─ 40% woman   = 0.2
    └─ 40% dog
       └─ 90% has   = 0.36 ★

Each branch was among the best `num_beams` prefixes at its step; a branch without an end was dropped later.
"""

import math
from collections.abc import Callable, Sequence

from .next_token import NextLogProbs
from .search import Beams


def draw_beam_tree(
    next_log_probs: NextLogProbs,
    prompt: Sequence[int],
    max_new_tokens: int,
    num_beams: int,
    decode: Callable[[list[int]], str],
    eos_token_id: int | Sequence[int] | None = None,
    length_penalty: float = 1.0,
) -> str:
    """Run a beam search, and draw all prefixes it kept; final texts have their probability, the best one a star.

    Args:
        next_log_probs, prompt, max_new_tokens, num_beams, eos_token_id, length_penalty: as in `beam_search`.
        decode: ids → text, for the prompt and for single tokens.
    """
    beams = Beams(prompt, max_new_tokens, num_beams, eos_token_id, length_penalty)
    kept = {beams.running[0].ids: 0.0}  # ids → log-probability
    while not beams.done():
        beams.advance(next_log_probs(beams.prefixes()))
        kept |= {text.ids: text.log_prob for text in (*beams.running, *beams.finished)}
    finished = {text.ids: text for text in beams.finished}
    lines = [decode(list(prompt))]

    def draw_children(parent: tuple[int, ...], indent: str) -> None:
        children = sorted((ids for ids in kept if ids[:-1] == parent), key=lambda ids: -kept[ids])
        for ids in children:
            last = ids == children[-1]
            line = f"{indent}{'└' if last else '├'}─ {math.exp(kept[ids] - kept[parent]):.0%} {decode([ids[-1]])}"
            if ids in finished:
                line += f"   = {math.exp(kept[ids]):.2g}{' ★' if finished[ids] is beams.finished[0] else ''}"
            lines.append(line)
            draw_children(ids, indent + ("   " if last else "│  "))

    draw_children(tuple(prompt), "")
    return "\n".join(lines)
