"""What a licence permits, told from how it is written: the one table.

The licence of a card is its publisher's text, and several stand in one, with a semicolon between them: of the weights,
of the data that they learnt from, of the parts of a joined name. What holds of all of them is what the strictest says.
"""

import re
from collections.abc import Mapping
from typing import Literal

Terms = Literal["evaluation-only", "non-commercial", "AGPL", "unknown", "share-alike", "permissive"]

TABLE: Mapping[Terms, str] = {
    "evaluation-only": r"for (evaluation|research|academic|personal|private)|"
    r"(evaluation|research|academic|personal|private)[- ](licen[cs]e|only|use|purpose)|\(academic\)",
    "non-commercial": r"\bNC(\b|\d)|\bBY[- ]?NC|non\W?(commercial|profit)|not? (for )?(commercial use|sale)|"
    r"commercial use (requires|needs|is not|forbidden|prohibited)",
    "AGPL": r"\bAGPL|Affero",
    # Not knowing comes before knowing: "MIT for the code, unknown for the weights" permits nothing.
    "unknown": r"unknown|none|undeclared|not (known|declared)|\bno licence|proprietary|\bND\b|rail\b|see its page",
    "share-alike": r"\bSA\b|share-?alike|\bL?GPL|\b(MPL|EUPL|ODbL|DbCL)\b",
    "permissive": r"\b(Apache|MIT|ISC|BSD|CC0|CC[- ]BY|Unlicense|zlib|BSL|ODC-By|public domain|rendered here)\b",
}
"""How each is recognised, the strictest first. What nothing here fits is unknown."""

FORBIDDING: Mapping[Terms, str] = {
    "evaluation-only": "it may be evaluated or researched with, and nothing else",
    "non-commercial": "it forbids commercial use",
    "AGPL": "who offers it over a network must publish their own code",
    "unknown": "nobody has said that it permits commercial use",
}
"""Those under which `--commercial` uses nothing, each with the reason."""


def terms(licence: str) -> Terms:
    """Return what the strictest of the licences in a text permits."""
    found = {_of_one(part) for part in licence.split(";")}
    return next(one for one in TABLE if one in found)


def _of_one(licence: str) -> Terms:
    return next((one for one, form in TABLE.items() if re.search(form, licence, re.IGNORECASE)), "unknown")


def why_not(licence: str, commercial: bool = True) -> str:
    """Return why what is under a licence may not be used commercially: "non-commercial (CC-BY-NC-4.0): …"; "": it may.

    `commercial`: what its card says besides.
    """
    found = terms(licence)
    if found in FORBIDDING:
        return f"{found} ({licence or 'none given'}): {FORBIDDING[found]}"
    return "" if commercial else f"{found} ({licence}), but its card says commercial: no"
