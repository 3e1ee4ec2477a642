"""The page of protocols, as Markdown made from the presets: docs/protocols.md is `earmark list probe --markdown`."""

import textwrap
from collections.abc import Iterator, Mapping

from earmark.experiment.presets import presets
from earmark.probes.presets import Preset

HEAD = """# Protocols

Made from the presets by `earmark list probe --markdown`. Published numbers differ by protocol more than by
representation. A preset is a protocol by name, as its paper and its code have it; beside it, under `-fixed`, stands the
same without its faults, where they change numbers. Write it in an experiment as `probes: [mir_ref-fixed]`, or some of
its probes as `{preset: mule2022, only: [mtt]}`; other keys override its recipe. `experiments/protocols.yml` has all of
them side by side.

A preset with `~` and a number, such as `mule2022~200`, is the same cut to so many steps, its warm-up in proportion. It
keeps that name in every result and every table (`mule2022~200/mtt`), and is not the protocol: it is there to try out an
experiment. Probes of one name are told apart likewise where two presets meet: `marble1/gtzan`, `marble2/gtzan`.

Presets say what is fitted. What their papers say of the rest of an experiment (how a clip is cut, whether segments are
averaged before the probe or after) is listed as *beside it*, and is written beside the probe; where an experiment says
something else, its run remarks on it.
"""
WIDTH = 120


def markdown() -> str:
    """Return the whole page."""
    return "\n".join((HEAD, *(part for name, one in presets().items() for part in _section(name, one)))).rstrip() + "\n"


def _section(name: str, preset: Preset) -> Iterator[str]:
    """Yield the paragraphs of a preset, each with its empty line."""
    yield f"## {name}\n"
    yield _wrapped(preset.description)
    probes = ", ".join(f"`{probe}`" for probe in preset.names)
    yield _wrapped(f"Source: {preset.cites}. Version {preset.version}. Probes: {probes}.")
    if preset.defaults:
        others = [f"; of `{probe}` {_beside(said)}" for probe, said in preset.defaults_of.items()]
        yield _wrapped(f"Beside it: {_beside(preset.defaults)}{''.join(others)}.")
    if preset.mends:
        yield _wrapped(f"Mends: {', '.join(preset.mends)}.")
    if preset.faults:
        yield "Faults of the original:\n"
        yield "".join(_wrapped(f"- **{fault}**: {said}", "  ") for fault, said in preset.faults.items())


def _wrapped(text: str, indent: str = "") -> str:
    """Return a paragraph in lines of the page's width, those after the first indented, and a line feed."""
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _beside(said: Mapping[str, object]) -> str:
    return ", ".join(f"`{key}: {value}`" for key, value in said.items())
