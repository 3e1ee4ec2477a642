"""A representation in the forms in which others evaluate and use it: HEAR, X-ARES, mteb, transformers, ONNX."""

from pathlib import Path
from typing import Literal, get_args

from earmark.errors import UnknownName, UserError
from earmark.exports import modules, onnx, transformers
from earmark.exports.written import Exported

Form = Literal["hear", "xares", "mteb", "transformers", "onnx"]
FORMS: tuple[Form, ...] = get_args(Form)

__all__ = ["FORMS", "Exported", "Form", "export"]


def export(
    representation: str,
    folder: Path | str,
    form: Form,
    *,
    probe: Path | str | None = None,
    layer: int | None = None,
    run: Path | str | None = None,
) -> Exported:
    """Write a representation into a new folder, in a form, and say what was written.

    `layer` is the one that a HEAR module, an X-ARES encoder and an mteb wrapper give (default: the last). `probe`, a
    saved one, goes into the ONNX file behind the representation. The scores of a `run` go into the page of a
    transformers folder. Raises UnknownName, MissingPart, and UserError where the form cannot hold the representation,
    or there is something in the folder already.
    """
    if form not in FORMS:
        raise UnknownName("form", form, FORMS)
    where = Path(folder)
    if where.exists() and (where.is_file() or any(where.iterdir())):
        raise UserError(f"Expected a new or empty folder, '{where}' holds something. Name another.")
    for option, given, holds in (
        ("probe", probe, ("onnx",)),
        ("layer", layer, ("hear", "xares", "mteb")),
        ("run", run, ("transformers",)),
    ):
        if given is not None and form not in holds:
            raise UserError(f"'{form}' has no place for a {option}, only {', '.join(holds)}. Leave it out.")
    if form == "onnx":
        return onnx.write(representation, where, probe)
    if form == "transformers":
        return transformers.write(representation, where, run)
    return modules.write(representation, where, form, layer)
