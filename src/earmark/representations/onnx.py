"""`onnx:NAME`: the network of NAME, computed by onnxruntime in place of torch: the same numbers within 1e-4.

Extra `[onnx]`. Its graph is written once, into the store's folder, which takes seconds to a minute. A network that
torch cannot write down is refused with the reason, and so is one whose numbers differ. On the CPU, one thread.
"""

from collections.abc import Mapping

from earmark.nouns import Card
from earmark.representations import _compiled
from earmark.representations._compiled import Compiled

CARDS: Mapping[str, Card] = {}
FORM = "onnx:NAME"


def like(variant: str) -> str:
    """Return the name of the network."""
    return variant


def parts(variant: str) -> tuple[str, ...]:
    """Return the name whose weights it needs."""
    return (variant,)


def load(variant: str) -> Compiled:
    """Return the network. Raises as torch's own does; MissingPart without onnxruntime, UserError for other numbers."""
    return _compiled.load("onnx", variant)
