"""What a mapping in a file must look like, and how a key of it is written."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A mapping of the file: its keys and no others, and no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


def example_of(model: type[Shape], key: str) -> str:
    """Return a line of YAML that shows how a key is written."""
    return f"{key}: {_yaml((model.model_fields[key].examples or [''])[0])}"


def _yaml(value: object) -> str:
    match value:
        case list():
            return f"[{', '.join(_yaml(one) for one in value)}]"
        case dict():
            return f"{{{', '.join(f'{key}: {_yaml(one)}' for key, one in value.items())}}}"
        case bool():
            return str(value).lower()
    return str(value)
