"""Options from a file, the environment and options, and in one message all that is wrong there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path as File
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from taskengine.model import Misconfigured
from taskengine.texts import closest

Path = tuple[str, ...]  # of an option: the names of the tables that it is in, and its own
M = TypeVar("M", bound=BaseModel)

# What Kubernetes puts into each container of a namespace that has a service of this name.
FOREIGN = re.compile(
    r"SERVICE_(HOST|PORT)(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)
EXPECTED = {  # what pydantic calls a problem → what was expected
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "ip_any_network": "an address or a network, as 10.0.0.0/8",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "too_short": "a list that is not empty",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:,.0f}",
}


class OptionSource(NamedTuple):
    """Options by path, and what one of them is called there, with what is below it."""

    values: Mapping[Path, Any]
    called: Callable[[Path, Path], str]
    others: frozenset[str] = frozenset()  # names there that are no options


def known_options(model: type[BaseModel], above: Path = ()) -> dict[Path, FieldInfo]:
    """Every option of a model, also those in tables."""
    found: dict[Path, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if table := _table(field):
            found |= known_options(table, (*above, name))
        else:
            found[*above, name] = field
    return found


def _table(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def read(model: type[M], sources: Sequence[OptionSource], secret: frozenset[str]) -> M:
    """What the sources say together; a later one wins. Raises Misconfigured with all problems, but
    never with the value of a secret: of those options, and all that are of the type SecretStr."""
    known, nested = known_options(model), dict[str, Any]()
    given: dict[Path, OptionSource] = {}
    problems: list[str] = []
    for source in sources:
        for path, value in source.values.items():
            if path in known:
                given[path] = source
                _put(nested, path, value)
            else:
                problems.append(_unknown(source, path, known))
    hidden = {path for path, field in known.items() if path[0] in secret or is_secret(field)}
    try:
        checked = model.model_validate(nested)
    except ValidationError as error:
        problems += _wrong(error, given, hidden)
    if problems:
        raise Misconfigured("\n".join(dict.fromkeys(problems)))
    return checked


def _put(nested: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        nested = nested.setdefault(name, {})
    nested[path[-1]] = value


def is_secret(field: FieldInfo) -> bool:
    """Whether nobody may see the value of an option."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _unknown(source: OptionSource, path: Path, known: Mapping[Path, object]) -> str:
    here = source.called(path, ())
    if below := [one[len(path)] for one in known if one[: len(path)] == path]:
        return f"{here}: expected a table, with {', '.join(dict.fromkeys(below))}"
    called = {".".join(one): source.called(one, ()).rpartition(": ")[2] for one in known}
    called |= {name.lower(): source.called((name,), ()) for name in source.others}
    close = closest(".".join(path), called)
    guess = f"; is {called[close]} meant?" if close else ""
    return f"{here}: there is no such option{guess}"


def _wrong(
    error: ValidationError, given: Mapping[Path, OptionSource], hidden: Collection[Path]
) -> Iterator[str]:
    for problem in error.errors():
        place = tuple(map(str, problem["loc"]))
        path = next((path for path in given if place[: len(path)] == path), place)
        told = problem["msg"].removeprefix("Value error, ")
        if expected := EXPECTED.get(problem["type"]):
            got = "" if path in hidden else f", got {str(problem['input'])[:80]!r}"
            told = f"expected {expected.format(**problem.get('ctx', {}))}{got}"
        yield f"{_name_of(place, path, given)}: {told}"


def _name_of(place: Path, path: Path, given: Mapping[Path, OptionSource]) -> str:
    """What a place is called where it was given; a table, where one of its options was."""
    if path in given:
        return given[path].called(path, place[len(path) :])
    inner = next((one for one in given if one[: len(place)] == place), place)
    return given[inner].called(place, ()) if inner in given else ".".join(place)


# The sources


def of_file(file: File, model: type[BaseModel]) -> OptionSource:
    """A TOML file. Raises Misconfigured if it is none."""
    values = dict(_values(_toml(file), model))
    return OptionSource(values, lambda path, below: f"{file}: {'.'.join((*path, *below))}")


def _values(
    table: Mapping[str, Any], model: type[BaseModel], above: Path = ()
) -> Iterator[tuple[Path, Any]]:
    tables = {name: _table(field) for name, field in model.model_fields.items()}
    for name, value in table.items():
        inner = tables.get(name)
        if inner is not None and isinstance(value, dict):
            yield from _values(value, inner, (*above, name))
        else:
            yield (*above, name), value


def _toml(file: File) -> dict[str, Any]:
    text = ""
    try:
        text = file.read_text("utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise Misconfigured(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{file}: expected a text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        line = re.match("line ([0-9]+)", where)  # else it is the end of the document
        number = line[1] if line else text.rstrip().count("\n") + 1
        raise Misconfigured(f"{file}:{number}: {what}") from None


def of_environment(
    variables: Mapping[str, str], model: type[BaseModel], prefix: str, others: frozenset[str]
) -> OptionSource:
    """The variables with a prefix, in any case of letters; an empty one is as good as none.
    `others` are those that are no options."""
    names = {"_".join(path).upper(): path for path in known_options(model)}
    values: dict[Path, Any] = {}
    for variable, value in variables.items():
        name = variable.upper().removeprefix(prefix)
        if not variable.upper().startswith(prefix) or name in others or FOREIGN.fullmatch(name):
            continue
        if value or name not in names:
            values[names.get(name, (name.lower(),))] = value
    return OptionSource(
        values, lambda path, below: _with(prefix + "_".join(path).upper(), below), others
    )


def of_options(options: Mapping[str, Any], model: type[BaseModel]) -> OptionSource:
    """The options of a command, an option of a table as `table_name`; None: not given."""
    names = {"_".join(path).lower(): path for path in known_options(model)}
    given = {names.get(name, (name,)): one for name, one in options.items() if one is not None}
    return OptionSource(given, lambda path, below: _with(f"--{_dashed(path)}", below))


def _dashed(path: Path) -> str:
    return "-".join(path).replace("_", "-")


def _with(name: str, below: Path) -> str:
    return f"{name}: {'.'.join(below)}" if below else name
