"""The state of a view in the address of the page, so that a view can be sent: every control has a name there.

A control shows, in this order: what a new address says, what it showed last, its default. What an address says and the
view does not know is left out and noted; a control at its default is not in the address.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from earmark.analysis import escapes

GIVEN, WRITTEN, KEPT = "address given", "address written", "address kept"
CONTROL = "control "
DRAWN = "times charts were drawn anew"
YES, NO = "yes", "no"
NOTHING = ("",)
LONGEST_SAID = 60
Words = tuple[str, ...]
Changed = Callable[[], None]


class Kept(NamedTuple):
    """What a control showed last, and what its default was then: one that stands at its default follows it."""

    chosen: Words
    usual: Words


class Address:
    """The address of one drawing of the page. Controls are drawn through it, and `write` puts it back at the end.

    Controls stand in the sidebar, or `within` another container.
    """

    def __init__(self) -> None:
        said = _said()
        if said != st.session_state.get(WRITTEN):  # a link was opened, or the browser went back
            for key in [key for key in st.session_state if str(key).startswith(CONTROL)]:
                del st.session_state[key]
            st.session_state[GIVEN], st.session_state[KEPT] = dict(said), {}
        self._given: dict[str, Words] = st.session_state[GIVEN]
        self._kept: dict[str, Kept] = st.session_state[KEPT]
        self._shown: dict[str, Words] = {}
        self.notes: list[str] = []

    def one(
        self,
        name: str,
        label: str,
        options: Sequence[str],
        default: str | None = None,
        within: Any = None,
        changed: Changed | None = None,
        explained: str | None = None,
    ) -> str:
        """Return what is chosen of `options` in a select box; `default` None is the first of them."""
        usual = (options[0] if default is None or default not in options else default,)
        words = self._start(name, options, usual)
        if words is not None:
            st.session_state[CONTROL + name] = words[0]
        place = within or st.sidebar
        chosen = place.selectbox(
            label, options, key=CONTROL + name, on_change=changed, help=explained, format_func=escapes.plain
        )
        return self._note(name, (str(chosen),), usual)[0]

    def tab(self, name: str, label: str, options: Sequence[str]) -> str:
        """Return which of a few words, none of them data, is chosen in a row of buttons."""
        words = self._start(name, options, (options[0],))
        if words is not None:
            st.session_state[CONTROL + name] = words[0]
        chosen = st.segmented_control(label, options, key=CONTROL + name, required=True, label_visibility="collapsed")
        return self._note(name, (str(chosen),), (options[0],))[0]

    def several(
        self,
        name: str,
        label: str,
        options: Sequence[str],
        default: Sequence[str] = (),
        within: Any = None,
        explained: str | None = None,
    ) -> Words:
        """Return what is chosen of `options`, in the order of choosing."""
        usual = tuple(one for one in default if one in options)
        words = self._start(name, options, usual)
        if words is not None:
            st.session_state[CONTROL + name] = list(words)
        place = within or st.sidebar
        chosen = place.multiselect(
            label, options, key=CONTROL + name, help=explained, placeholder="none", format_func=escapes.plain
        )
        return self._note(name, tuple(map(str, chosen)), usual)

    def switch(self, name: str, label: str, within: Any = None, explained: str | None = None) -> bool:
        """Return whether a box is ticked; by default it is not."""
        words = self._start(name, (YES, NO), (NO,))
        if words is not None:
            st.session_state[CONTROL + name] = words == (YES,)
        ticked = (within or st.sidebar).checkbox(label, key=CONTROL + name, help=explained)
        return self._note(name, (YES if ticked else NO,), (NO,)) == (YES,)

    def write(self) -> None:
        """Put what is shown into the address, and note what the old one said in vain."""
        self.notes += [f"The address says {_short(name)}, which this view does not have." for name in self._given]
        self._given.clear()
        if self._shown != _said():
            st.query_params.from_dict({name: list(words) for name, words in self._shown.items()})
        st.session_state[WRITTEN] = dict(self._shown)

    def _start(self, name: str, options: Sequence[str], usual: Words) -> Words | None:
        """Return what a control has to show, None where it goes on with what it shows."""
        given = self._given.pop(name, None)
        if given is not None:
            strange = [one for one in given if one not in options and given != NOTHING]
            self.notes += [f"The address says {name}={_short(one)}, which is not there now." for one in strange]
            known = tuple(one for one in given if one in options)
            return known if known or given == NOTHING else usual
        shown = _words(st.session_state.get(CONTROL + name))
        last = self._kept.get(name, Kept((), ()))
        is_untouched = shown == last.chosen == last.usual
        if shown is not None and set(shown) <= set(options) and not (is_untouched and shown != usual):
            return None
        known = tuple(one for one in last.chosen if one in options)
        return usual if last.chosen == last.usual else known or usual

    def _note(self, name: str, chosen: Words, usual: Words) -> Words:
        self._kept[name] = Kept(chosen, usual)
        if chosen != usual:
            self._shown[name] = chosen or NOTHING
        return chosen


def show(name: str, value: str) -> None:
    """Make a select box show a value, from a callback: before the page is drawn."""
    st.session_state[CONTROL + name] = value


def redrawn(chart: str) -> str:
    """Return a chart's key: another one after each `redraw`."""
    return f"{chart} {st.session_state.get(DRAWN, 0)}"


def redraw() -> None:
    """Draw charts anew, from a callback: one that remembers its last click does not tell when it is clicked again."""
    st.session_state[DRAWN] = st.session_state.get(DRAWN, 0) + 1


def reset(*names: str) -> None:
    """Bring controls back to their defaults, from a callback."""
    for name in names:
        st.session_state.pop(CONTROL + name, None)
        st.session_state[KEPT].pop(name, None)


def _said() -> dict[str, Words]:
    return {name: tuple(st.query_params.get_all(name)) for name in st.query_params}


def _words(value: object) -> Words | None:
    """Return what a control holds in words."""
    if value is None or isinstance(value, str):
        return None if value is None else (value,)
    if isinstance(value, bool):
        return (YES if value else NO,)
    return tuple(map(str, value)) if isinstance(value, list | tuple) else None


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}…"
