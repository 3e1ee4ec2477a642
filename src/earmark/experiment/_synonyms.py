"""The one table of old names: what the thesis and mir_ref call things, and what we call them.

Nothing else of the experiment room knows an old name. Parameters of transforms have their table in `deformations`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from earmark import deformations
from earmark.deformations import Step
from earmark.errors import hint
from earmark.tasks import TASKS
from earmark.written.places import Item

# By what a mapping describes: old key → ours.
KEYS: Mapping[str, Mapping[str, str]] = {
    "block": {
        "embedding_models": "representations",
        "features": "representations",
        "downstream_models": "probes",
    },
    "task": {"type": "kind", "embedding_aggregation": "aggregation", "feature_aggregation": "aggregation"},
    "probe": {"type": "kind", "output_activation": "loss"},
}
# By key: old value → ours.
VALUES: Mapping[str, Mapping[str, str]] = {
    "kind": {
        "multiclass_classification": "multiclass",
        "multilabel_classification": "multilabel",
        "classifier": "mlp",
    },
    "aggregation": {"mean": "embedding_mean"},
    "save_criterion": {
        "val_loss": "loss",
        "val_categorical_accuracy": "accuracy",
        "val_accuracy": "accuracy",
        "val_auc": "roc_auc",
    },
    "loss": {"softmax": "cross_entropy", "sigmoid": "binary", "linear": "squared"},
    "metrics": {"AUC-ROC": "roc_auc", "AUC-PR": "average_precision", "weighted_score_key": "key_score"},
}
# Keys, and values of some, that have no namesake and say what earmark does anyway.
DROPPED: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "dataset": {"type": ("custom", "mirdata")},
    "probe": {
        "emb_dim_reduction": (False,),
        "emb_shape": ("infer",),
        "optimizer": ("adam",),
    },
}
AUTO: Mapping[str, tuple[str, ...]] = {
    "output_activation": ("auto", "softmax / sigmoid"),
    "save_criterion": ("val_categorical_accuracy / val_auc",),
}
# The same network and weights, which Essentia converted.
MODELS = {"msd-musicnn": "musicnn-msd"}
# The thesis writes the layers behind the name: mert-v1-95m-4-5-6 is their mean.
LAYERED = re.compile(r"(?P<name>mert-v1-(?:95m|330m))(?P<layers>(?:-\d+)+)")

LISTS = ("datasets", "deformations", "representations", "probes", "metrics", *KEYS["block"])
NEW_NAMES: Mapping[str, str] = {old: new for names in KEYS.values() for old, new in names.items()}


@dataclass
class Said:
    """What was translated, each once, in the order of the file."""

    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line on what has another name today, and one on what was left out."""
        pairs = ", ".join(f"{old} → {new}" for old, new in self.renamed.items())
        renamed = f"Old names, read as today's: {pairs}." if pairs else ""
        dropped = f"Left out, it is so anyway: {', '.join(self.dropped)}." if self.dropped else ""
        return tuple(filter(None, (renamed, dropped)))


def translate(root: Item) -> tuple[str, ...]:
    """Translate a file's content in place; return the notes to the user. Raises SpecError.

    What is of a wrong type is left as it is: the types are checked after this.
    """
    said = Said()
    for block in _entries(root, "experiments"):
        _rename("block", block, said)
        for task in filter(None, [block.fields.get("task")]):
            _task(task, said)
        for dataset in _entries(block, "datasets"):
            _drop("dataset", dataset, said)
        _deformations_of_datasets(block, said)
        if "deformations" in block.fields:
            _chains(block.fields["deformations"], said)
        for representation in _entries(block, "representations"):
            _layers(representation, said)
        for probe in _entries(block, "probes"):
            _probe(probe, said)
        for metric in _entries(block, "metrics"):
            _value("metrics", metric, said)
    return said.notes


def _entries(item: Item, key: str) -> list[Item]:
    return item.fields[key].entries if key in item.fields else []


def _rename(what: str, item: Item, said: Said) -> None:
    fields: dict[str, Item] = {}
    for old, below in item.fields.items():
        new = KEYS[what].get(old, old)
        if new in fields or (new != old and new in item.fields):
            raise below.key.error(f"'{old}' is the old name of '{new}', and both stand here. Keep '{new}'.")
        if new != old:
            said.renamed[old] = new
        fields[new] = below
    if fields:
        item.value = fields


def _value(key: str, item: Item | None, said: Said) -> None:
    if item is not None and isinstance(item.value, str) and item.value in VALUES[key]:
        said.renamed[item.value] = VALUES[key][item.value]
        item.value = VALUES[key][item.value]


def _drop(what: str, item: Item, said: Said) -> None:
    for key, allowed in DROPPED[what].items():
        if key in item.fields:
            came = item.fields.pop(key)
            if came.value not in allowed:
                listed = " or ".join(_shown(value) for value in allowed)
                raise came.error(
                    f"Expected {key} to be {listed}, got {_shown(came.plain())}: earmark does nothing else. "
                    f"Leave '{key}' out."
                )
            said.dropped[f"{key}: {_shown(came.value)}"] = None


def _probe(probe: Item, said: Said) -> None:
    _reduction(probe, said)
    _drop("probe", probe, said)
    for key, values in AUTO.items():
        if key in probe.fields and probe.fields[key].value in values:
            said.dropped[f"{key}: {probe.fields.pop(key).value}"] = None
    _rename("probe", probe, said)
    for key in ("kind", "loss", "save_criterion"):
        _value(key, probe.fields.get(key), said)
    for candidate in _entries(probe, "among"):
        _probe(candidate, said)


def _reduction(probe: Item, said: Said) -> None:
    """Bring the thesis' {emb_dim_reduction: PCA, emb_shape: 128} to {pca: 128}."""
    how, size = probe.fields.get("emb_dim_reduction"), probe.fields.get("emb_shape")
    is_pca = how is not None and (how.value is True or str(how.value).lower() == "pca")
    if is_pca and size is not None and isinstance(size.value, int):
        said.renamed["emb_dim_reduction, emb_shape"] = "pca"
        rest = {key: one for key, one in probe.fields.items() if key not in ("emb_dim_reduction", "emb_shape")}
        probe.value = {**rest, "pca": size}


def _shown(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _task(task: Item, said: Said) -> None:
    name = task.fields.get("name")
    old = task.fields.get("type")
    if name is not None and str(name.value) in TASKS and old is not None and str(old.value) in VALUES["kind"]:
        # The thesis calls key estimation multiclass; the name knows better.
        said.dropped[f"type: {old.value}"] = None
        del task.fields["type"]
    _rename("task", task, said)
    for key in ("kind", "aggregation"):
        _value(key, task.fields.get(key), said)


def _layers(item: Item, said: Said) -> None:
    if isinstance(item.value, str) and item.value in MODELS:
        said.renamed[item.value] = MODELS[item.value]
        item.value = MODELS[item.value]
    if not isinstance(item.value, str) or not (found := LAYERED.fullmatch(item.value)):
        return
    layers = [int(number) for number in found["layers"][1:].split("-")]
    said.renamed[item.value] = f"{found['name']} with layers {layers}"
    numbers = [Item(layer, item.place, item.key) for layer in layers]
    fields = {"name": found["name"], "layers": numbers, "reduce": "mean"}
    item.value = {key: Item(value, item.place, item.key) for key, value in fields.items()}


def _deformations_of_datasets(block: Item, said: Said) -> None:
    """Move the deformations that mir_ref gives each dataset to the block."""
    old = [dataset.fields.pop("deformations", None) for dataset in _entries(block, "datasets")]
    given = [item for item in old if item is not None]
    if not given:
        return
    if "deformations" in block.fields or any(item is None or item.plain() != given[0].plain() for item in old):
        raise given[0].key.error(
            "Expected the same deformations for every dataset, under the experiment. "
            "Write one experiment for each dataset that has its own."
        )
    block.value = {**block.fields, "deformations": given[0]}
    said.renamed["datasets: deformations"] = "deformations"


def _chains(item: Item, said: Said) -> None:
    """Bring deformations to the form name → list of steps with today's parameters and no probability."""
    for step in _steps(item):
        _step(step, said)
    if isinstance(item.value, list):
        named: dict[str, Item] = {}
        for entry in item.entries:
            name, chain = _named(entry)
            if name in named:
                raise entry.error(f"The same chain, '{name}', stands here a second time. Keep one of the two.")
            named[name] = chain
        item.value = named
    elif isinstance(item.value, dict):
        item.value = {name: _listed(chain) for name, chain in item.fields.items()}


def _steps(item: Item) -> Iterator[Item]:
    for chain in item.children.values():
        yield from chain.entries or [chain]


def _listed(chain: Item) -> Item:
    return Item([chain], chain.place, chain.key) if isinstance(chain.value, dict) else chain


def _named(entry: Item) -> tuple[str, Item]:
    """Return a chain of an unnamed list under a name made of its content; a word is one of earmark's own chains."""
    if isinstance(entry.value, str) and entry.value in deformations.PRESETS:
        steps = deformations.PRESETS[entry.value].steps
        plain: list[object] = [{"type": step.type, "params": dict(step.params)} for step in steps]
        return entry.value, _placed(plain, entry)
    chain = _listed(entry)
    steps = tuple(_as_step(step) for step in chain.entries or [entry])
    with entry.blamed():
        return deformations.readable_name(steps), chain


def _as_step(item: Item) -> Step:
    plain = item.plain()
    if not isinstance(plain, dict) or not isinstance(plain.get("type"), str):
        raise item.error(
            "Expected a step such as {type: Gain, params: {min_gain_db: -12, max_gain_db: -12}}, or one of "
            f"{', '.join(deformations.PRESETS)}; got {plain!r}.{hint(str(plain), deformations.PRESETS)}"
        )
    return Step(plain["type"], plain.get("params") or {})


def _placed(value: object, at: Item) -> Item:
    """Return a plain value as Items that all stand at one place."""
    if isinstance(value, dict):
        value = {key: _placed(one, at) for key, one in value.items()}
    elif isinstance(value, list):
        value = [_placed(one, at) for one in value]
    return Item(value, at.place, at.key)


def _step(step: Item, said: Said) -> None:
    kind, params = step.fields.get("type"), step.fields.get("params")
    if kind is None or not isinstance(kind.value, str) or params is None or not params.fields:
        return
    if (p := params.fields.pop("p", None)) is not None and p.value != 1:
        raise p.error(f"Expected p to be 1, got {p.plain()}: a deformation has no probability. Leave p out.")
    plain = {name: item.plain() for name, item in params.fields.items()}
    with params.blamed():
        new = deformations.translate(kind.value, plain).params
    fields: dict[str, Item] = {}
    for (old, item), (name, value) in zip(params.fields.items(), new.items(), strict=True):
        if name != old:
            said.renamed[f"{kind.value}: {old}"] = name
        fields[name] = item if value == plain[old] else Item(value, item.place, item.key)
    params.value = fields
