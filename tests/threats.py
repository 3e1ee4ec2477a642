"""What runs code that somebody else wrote, or writes where it should not: no file of ours does. Run for a verdict.

Like the import law (`architecture`), which reads the same files. Reads what is written, so it sees a call by its name.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tests import architecture
from tests.architecture import SourceFile, Violation

NEVER: Mapping[str, str] = {
    "eval": "runs text",
    "exec": "runs text",
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
    "yaml.load": "may build any object",
    "yaml.unsafe_load": "builds any object",
    "yaml.full_load": "may build any object",
    "joblib.load": "unpickles",
    "dill.load": "unpickles",
    "dill.loads": "unpickles",
    "cloudpickle.load": "unpickles",
    "cloudpickle.loads": "unpickles",
    "marshal.load": "reads code",
    "marshal.loads": "reads code",
    "shelve.open": "unpickles",
    "pandas.read_pickle": "unpickles",
    "shutil.unpack_archive": "believes an archive's paths: sources.unpack judges them",
    "xml.etree.ElementTree.parse": "swells without bound",
    "xml.etree.ElementTree.fromstring": "swells without bound",
    "tempfile.mktemp": "names what another may make",
}
METHODS: Mapping[str, str] = {
    "extractall": "believes an archive's paths: sources.unpack judges them",
    "extract": "believes an archive's paths: sources.unpack judges them",
}
UNPICKLING = {"pickle.load", "pickle.loads", "pickle.Unpickler", "_pickle.load", "_pickle.loads"}
ALLOWED: Mapping[tuple[str, str], str] = {
    ("earmark.datasets._arrays", "pickle.Unpickler"): "knows the functions of arrays alone, and refuses every other",
    ("earmark.catalogue.apart", "pickle.load"): "reads what a process and its parent write into their pipes",
    ("earmark.datasets._studio_render", "pickle.load"): "reads what its own parent process writes into its pipe",
    (
        "earmark.experiment.engines.parcel",
        "pickle.loads",
    ): "reads what earmark wrote, into a folder of its own, for its own workers on other machines",
    ("earmark.reports.figures", "xml.etree.ElementTree.fromstring"): "reads the drawing that it has just made",
}
"""Module and what it calls: why it may."""


def _given(call: ast.Call, name: str) -> object:
    """Return the constant that a keyword is given; None where it is not, or is none."""
    values = [one.value for one in call.keywords if one.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def nothing_runs_what_it_reads(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        for line, name in _used(file):
            last = name.rpartition(".")[2]
            if (file.module, name) in ALLOWED:
                continue
            if name in NEVER:
                yield file.violation(line, f"calls {name}, which {NEVER[name]}")
            elif last in METHODS and "." in name:
                yield file.violation(line, f"calls {last}, which {METHODS[last]}")
            elif name in UNPICKLING:
                yield file.violation(line, f"calls {name}, which runs what a pickle asks for")


def _used(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Yield what a file calls, and the classes that its own are made from, by full name."""
    yield from ((call.lineno, name) for call, name in file.calls)
    names = dict(architecture._names(file.tree))
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ClassDef):
            yield from ((node.lineno, architecture._full_name(base, names)) for base in node.bases)


def loaders_are_told_to_run_nothing(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        for call, name in file.calls:
            if name == "torch.load" and _given(call, "weights_only") is not True:
                yield file.violation(call.lineno, "calls torch.load without weights_only=True")
            if name == "numpy.load" and _given(call, "allow_pickle") is not False:
                yield file.violation(call.lineno, "calls numpy.load without allow_pickle=False")
            if name == "ruamel.yaml.YAML" and _given(call, "typ") in ("unsafe", "base"):
                yield file.violation(call.lineno, "reads YAML that builds objects")
            for asked in ("trust_remote_code", "shell"):
                if any(one.arg == asked for one in call.keywords) and _given(call, asked) is not False:
                    yield file.violation(call.lineno, f"calls {name} with {asked}")


LAWS: tuple[Callable[[Iterable[SourceFile]], Iterator[Violation]], ...] = (
    *(nothing_runs_what_it_reads, loaders_are_told_to_run_nothing),
)


def violations(package: Path) -> list[Violation]:
    """Return what is wrong with the package in a folder, by place."""
    files = architecture.read(package)
    return sorted({found for law in LAWS for found in law(files)})


if __name__ == "__main__":
    wrong = violations(Path(__file__).parent.parent / "src" / "earmark")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(int(bool(wrong)))
