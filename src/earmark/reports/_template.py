"""Values into HTML. The one file that knows jinja2; whatever comes from a run appears as text.

The page may run its own script and no other, load nothing, and play and show only what is in it or linked from it.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from earmark.analysis import escapes
from earmark.errors import MissingPart

PAGE, STYLE, SCRIPT = "page.html", "page.css", "page.js"


def page(values: Mapping[str, Any]) -> str:
    """Return the page. Raises MissingPart where jinja2 is not installed."""
    try:
        import jinja2
        import markupsafe
    except ImportError as error:
        raise MissingPart("The page needs jinja2. Type: pip install 'earmark[report]'") from error

    def read(name: str) -> str:
        return (files("earmark.reports") / "templates" / name).read_text("utf-8")

    def said(value: object) -> object:
        if isinstance(value, markupsafe.Markup) or not isinstance(value, str):
            return value
        return "\n".join(map(escapes.plain, value.splitlines()))

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=said,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = read(SCRIPT)
    own = {"style": markupsafe.Markup(read(STYLE)), "script": markupsafe.Markup(script), "policy": policy(script)}
    return environment.get_template(PAGE).render({**values, **own})


def policy(script: str) -> str:
    """Return the content security policy of a page with this script.

    Styles are allowed inline, since figures bring some; a style cannot leave the page, for nothing may be loaded.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "media-src data: file: 'self'; base-uri 'none'; form-action 'none'"
    )
