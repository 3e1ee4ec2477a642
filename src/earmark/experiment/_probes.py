"""From what a file says of probes to recipes: presets and kinds resolved, what does not go together refused."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from functools import partial
from typing import Any

from earmark.errors import UserError
from earmark.experiment._choices import FILE_KEYS, ProbeChoice
from earmark.experiment._shape import ProbeShape
from earmark.experiment.presets import is_short, preset
from earmark.nouns import Kind
from earmark.probes import logistic, reading, select
from earmark.probes.base import AnyRecipe
from earmark.probes.kinds import RECIPES
from earmark.probes.monitors import LOSSES, criterion, loss_of
from earmark.probes.recipe import NEVER, Recipe
from earmark.written.places import Item
from earmark.written.shapes import example_of

# What a key is in the name of a probe, when it is not the default; a text without a prefix speaks for itself.
SHORT = {
    "learning_rate": "lr",
    "weight_decay": "wd",
    "batch_size": "batch",
    "standardise": "standardised",
    "stop_criterion": "stop_",
    "save_criterion": "save_",
    "ties": "ties_",
    "keep": "keep_",
    "pool_frames": "frames_",
    "power_rule": "power_",
}
HEAD = ("preset", "only", "kind", "name")
OWN = "{kind: mlp, hidden_units: [128]}"


def probes(shapes: Sequence[ProbeShape], item: Item, kind: Kind) -> tuple[ProbeChoice, ...]:
    """Return the probes of a block, for a kind of task. Raises SpecError."""
    found = [
        (choice, one) for shape, one in zip(shapes, item.entries, strict=True) for choice in _choices(shape, one, kind)
    ]
    counts = Counter(choice.name for choice, _ in found)
    choices: list[ProbeChoice] = []
    for choice, one in found:
        named = _told_apart(choice, counts[choice.name] > 1)
        if named.name in [other.name for other in choices]:
            raise one.error(
                f"Probe '{named.name}' stands here a second time. Leave it out, or name it: "
                "{kind: mlp, name: another, hidden_units: [128]}."
            )
        choices.append(named)
    return tuple(choices)


def _told_apart(choice: ProbeChoice, is_shared: bool) -> ProbeChoice:
    """Return a probe with its preset before its name, where another has that name or the preset is cut short."""
    alone = choice.preset is None or choice.name == choice.preset or not (is_shared or is_short(choice.preset))
    return choice if alone else replace(choice, name=f"{choice.preset}/{choice.name}")


def probe_name(recipe: AnyRecipe) -> str:
    """Return a name made of a recipe's content: "linear", "mlp-256-128", "mlp-infer-lr0.0001", "knn-k3"."""
    if isinstance(recipe, select.Recipe):
        return "-".join([recipe.search, *dict.fromkeys(map(probe_name, recipe.recipes))])
    hidden = recipe.hidden_units if isinstance(recipe, Recipe) else ()
    parts = ["-".join([recipe.probe, *map(str, hidden)]) if hidden or not isinstance(recipe, Recipe) else "linear"]
    for each in fields(recipe):
        value = getattr(recipe, each.name)
        if each.name != "hidden_units" and value != each.default and value != ():
            parts.append(_shown(each.name, value))
    return "-".join(parts)


def _shown(name: str, value: object) -> str:
    match value:
        case True:
            return SHORT.get(name, name)
        case False:
            return f"no_{name}"
        case str():
            return SHORT.get(name, "") + value
        case int() | float():
            return f"{SHORT.get(name, name)}{value:g}"
    return str(value)


def _choices(shape: ProbeShape, item: Item, kind: Kind) -> list[ProbeChoice]:
    if shape.preset is None:
        made = _own(shape, item, kind)
        return [ProbeChoice(shape.name or probe_name(made), None, made)]
    for key in ("kind", "name"):
        if getattr(shape, key) is not None:
            raise item.fields[key].key.error(f"A preset has its own {key}s. Leave '{key}' out, or 'preset': {OWN}.")
    with item.fields.get("preset", item).blamed():
        recipes = preset(shape.preset, None, kind)
    with item.fields.get("only", item).blamed():
        recipes = preset(shape.preset, shape.only, kind)
    return [
        ProbeChoice(name, shape.preset, _fitting(_changed(recipe, shape, item, kind), item, kind))
        for name, recipe in recipes.items()
    ]


def _own(shape: ProbeShape, item: Item, kind: Kind) -> AnyRecipe:
    if shape.kind is None:
        raise item.error(f"Expected a preset or a kind of probe. Write {{preset: mir_ref-fixed}}, or {OWN}.")
    if shape.only is not None:
        raise item.fields["only"].key.error("'only' chooses from a preset, and there is none here. Leave it out.")
    made = RECIPES[shape.kind]
    changes = _changes(made, shape, item, kind)
    keys = FILE_KEYS.get(shape.kind, {})
    for each in fields(made):
        if each.default is MISSING and each.name not in changes:
            key = keys.get(each.name, each.name)
            raise item.error(f"A probe of kind {shape.kind} needs '{key}'. Write {example_of(ProbeShape, key)}.")
    return _fitting(_made(made, changes, keys, item), item, kind)


def _changed(recipe: AnyRecipe, shape: ProbeShape, item: Item, kind: Kind) -> AnyRecipe:
    """Return a preset's recipe with what the file says in its place; of a choice, with that in every candidate."""
    own = {each.name for each in fields(select.Recipe)} | {"among"}
    if isinstance(recipe, select.Recipe) and not own & (shape.model_fields_set - set(HEAD)):
        return replace(recipe, recipes=tuple(_changed(one, shape, item, kind) for one in recipe.recipes))
    changes = _changes(type(recipe), shape, item, kind)
    return _made(partial(replace, recipe), changes, FILE_KEYS.get(recipe.probe, {}), item)


def _changes(made: type[AnyRecipe], shape: ProbeShape, item: Item, kind: Kind) -> dict[str, Any]:
    """Return the fields of a recipe that a file gives, in their order; refuse keys of another kind."""
    keys = FILE_KEYS.get(made.probe, {})
    known = {keys.get(each.name, each.name): each.name for each in fields(made)}
    given = {key for key in shape.model_fields_set - set(HEAD) if getattr(shape, key) is not None}
    for key in sorted(given - set(known)):
        kinds = [name for name, other in RECIPES.items() if key in _file_keys(other)]
        raise item.fields[key].key.error(
            f"'{key}' is for kind {' or '.join(kinds)}, and this probe is of kind {made.probe}. "
            f"Keys of {made.probe}: {', '.join(known)}."
        )
    return {name: _value(key, shape, item, kind) for key, name in known.items() if key in given}


def _file_keys(made: type[AnyRecipe]) -> list[str]:
    keys = FILE_KEYS.get(made.probe, {})
    return [keys.get(each.name, each.name) for each in fields(made)]


def _value(key: str, shape: ProbeShape, item: Item, kind: Kind) -> object:
    value = getattr(shape, key)
    if key == "among":
        pairs = zip(value, item.fields["among"].entries, strict=True)
        return tuple(choice.recipe for one, place in pairs for choice in _choices(one, place, kind))
    return tuple(value) if isinstance(value, list) else value


def _made(make: Callable[..., AnyRecipe], changes: Mapping[str, Any], keys: Mapping[str, str], item: Item) -> AnyRecipe:
    """Return the recipe with all changes; an error stands at the first value without which there would be none."""
    try:
        return make(**changes)
    except UserError as error:
        key = keys.get(last := _culprit(make, changes), last)
        raise item.fields[key].error(f"{error} Write, for example, {example_of(ProbeShape, key)}.") from error


def _culprit(make: Callable[..., AnyRecipe], changes: Mapping[str, Any]) -> str:
    required = {name: value for name, value in changes.items() if name in ("recipes", "name")}
    so_far = dict(required)
    for name, value in changes.items():
        so_far[name] = value
        if not _can_be(make, so_far):
            return name
    return list(changes)[-1]


def _can_be(make: Callable[..., AnyRecipe], changes: Mapping[str, Any]) -> bool:
    try:
        make(**changes)
    except UserError:
        return False
    return True


def _fitting(recipe: AnyRecipe, item: Item, kind: Kind) -> AnyRecipe:
    """Return a recipe that goes with a kind of task; a loss that this kind has anyway is not said."""
    if isinstance(recipe, select.Recipe):
        return replace(recipe, recipes=tuple(_fitting(one, item, kind) for one in recipe.recipes))
    if isinstance(recipe, logistic.Recipe):
        with item.fields.get("kind", item).blamed():
            logistic.require_classes(kind)
    if isinstance(recipe, reading.Recipe):
        with item.fields.get("kind", item).blamed():
            reading.require_pitch(kind)
    if not isinstance(recipe, Recipe):
        return recipe
    with item.fields.get("loss", item).blamed():
        loss_of(recipe.loss, kind)
    for key in ("save_criterion", "stop_criterion"):
        if getattr(recipe, key) not in ("loss", NEVER):
            with item.fields.get(key, item).blamed():
                criterion(getattr(recipe, key), kind, ())
    if recipe.train_sampling == "balanced" and LOSSES[kind] != "cross_entropy":
        raise item.fields.get("train_sampling", item).error(
            f"train_sampling balanced needs one class a clip, and this task is {kind}. Write train_sampling: random."
        )
    return replace(recipe, loss="auto") if recipe.loss == LOSSES[kind] else recipe
