"""Networks that differ in nothing but a seed, taken together: one system, of which each is a seed.

So pre-training is judged by the mean over its seeds: against its own step 0, say, each network with the one that it
began as.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from earmark.errors import UserError, hint
from earmark.runs.predictions import Predicted


def together(found: Sequence[Predicted], patterns: Mapping[str, str]) -> tuple[Predicted, ...]:
    """Return predictions with the name of a pattern in place of each representation that is like it ("path:*-step-0").

    The seeds of one name stand in the order of the representations' own names, so that of two names the first meets
    the first. Raises UserError for a pattern that nothing is like, a representation that is like two, and a name that
    another representation has.
    """
    known = sorted({one.representation for one in found})
    new = {one: _new_name(one, patterns) for one in known}
    for name, pattern in patterns.items():
        if name not in new.values():
            raise UserError(
                f"No representation of this run is like '{pattern}'.{hint(pattern, known)} It has: {', '.join(known)}."
            )
        if new.get(name, name) != name or (name in new and not fnmatchcase(name, pattern)):
            raise UserError(
                f"'{name}' is a representation of this run already. Give what stands together another name."
            )
    ordered = sorted(found, key=lambda one: one.representation) if patterns else found
    return tuple(replace(one, representation=new[one.representation]) for one in ordered)


def _new_name(representation: str, patterns: Mapping[str, str]) -> str:
    like = [name for name, pattern in patterns.items() if fnmatchcase(representation, pattern)]
    if len(like) > 1:
        raise UserError(f"'{representation}' would stand under '{like[0]}' and '{like[1]}'. Write narrower patterns.")
    return like[0] if like else representation
