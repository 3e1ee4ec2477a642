"""The view of embeddings: test clips in the plane, coloured by their target; a point plays its clip."""

import streamlit as st

from earmark.analysis import projection
from earmark.analysis.projection import Projection
from earmark.counted import counted
from earmark.reports.app import address, boxes, held, pictures, playing, systems
from earmark.reports.app.address import Address
from earmark.reports.app.held import Opened
from earmark.runs.embeddings import Embedded
from earmark.runs.predictions import Predicted

CHART = "map"
PCA, UMAP = "PCA", "UMAP"
BETWEEN = " · "


def show(asked: Address, run: Opened) -> None:
    """Draw the map of one representation's embeddings, and the clip that is chosen."""
    of = systems.chosen(asked, run)
    methods = (PCA, UMAP) if projection.has_umap() else (PCA,)
    method = asked.one("method", "Map", methods, explained="UMAP is there with pip install 'earmark[map]'.")
    found = held.embedded(run, str(of.file), of)
    laid = held.projected(run, str(of.file), method, of)
    st.html(boxes.heading(f"{len(found.clips)} test clips, {playing.heard_as(of)}"))
    above = st.container()
    names = _names(found)
    name = asked.one("clip", "Clip", names, within=st, changed=address.redraw)
    with above:
        _draw(of, found, laid, names, names.index(name))
    place = names.index(name)
    group = found.groups[place]
    playing.clip(
        run, of, found.datasets[place], found.clips[place], found.targets[place], f"group {group}" if group else ""
    )


def _names(found: Embedded) -> tuple[str, ...]:
    """Return clips by the names that a select box has for them: by target, then by id."""
    return tuple(f"{target}{BETWEEN}{clip}" for target, clip in zip(found.targets, found.clips, strict=True))


def _draw(of: Predicted, found: Embedded, laid: Projection, names: tuple[str, ...], chosen: int) -> None:
    numbers = [float(target) for target in found.targets] if _has_one_number(of) else None
    spec = pictures.embedding_map(laid.points, found.clips, found.targets, found.groups, numbers, _axes(laid), chosen)
    key = address.redrawn(CHART)
    st.vega_lite_chart(
        spec,
        width="stretch",
        key=key,
        on_select=lambda: _clicked(names, key),
        alt=f"Map of the embeddings of {of.representation} by target",
    )
    notes = [] if laid.explained else ["UMAP keeps near clips near; far distances and the axes mean nothing."]
    if found.n_missing:
        notes.append(f"Not drawn, without an embedding in the store: {counted(found.n_missing, 'clip')}.")
    if notes:
        st.html(boxes.note(notes))


def _has_one_number(of: Predicted) -> bool:
    return of.kind == "pitch" or (of.kind == "regression" and len(of.classes) == 1)


def _axes(laid: Projection) -> tuple[str, str]:
    """Return the names of the axes, with the share of the variance that lies along each."""
    if laid.explained is None:
        return "", ""
    first, second = (f"component {at}: {share:.0%} of the variance" for at, share in enumerate(laid.explained, 1))
    return first, second


def _clicked(names: tuple[str, ...], key: str) -> None:
    """Take the clip that was clicked; nothing, where it was clicked away."""
    points = st.session_state[key]["selection"].get(pictures.CLIP) or []
    if points:
        address.show("clip", names[int(points[0]["place"])])
