"""Configuration files: TOML checked against a pydantic model, with errors that name file, line, key and remedy."""

import io
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from shell.file_reading import UnfitFileError, read_at_most
from shell.masking import masked
from shell.nesting import toml_of

FILE_BYTES_MAX = 256 * 1024
PROBLEMS_MAX = 50  # more help nobody, and finding the line of each takes time
EXIT_USAGE = 2  # wrong configuration and wrong usage share one exit code (STYLE section 10)

M = TypeVar("M", bound=BaseModel)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is not a time zone; write for example Asia/Shanghai") from error
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone that this machine knows."""


class SettingsModel(BaseModel):
    """Base of every settings model: unknown keys are typing errors, and values do not change later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsError(Exception):
    """A configuration file cannot be used; the message says which line and what to write instead."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__("\n".join(f"{path}{problem}" for problem in problems))
        self.path, self.problems = path, problems


def load_settings(path: Path, model: type[M], *, context: Mapping[str, Any] | None = None) -> M:
    """Read and check one TOML file.

    Args:
        path: The file; relative paths inside it are the caller's to resolve against ``path.parent``.
        model: What the file must hold.
        context: What its validators are told besides.

    Raises:
        SettingsError: The file is missing, is not TOML, or holds a wrong key or value.
    """
    text, data = read_toml(path)
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        found = error.errors()
        problems = [_explain(text, problem, model) for problem in found[:PROBLEMS_MAX]]
        more = [f": and {len(found) - PROBLEMS_MAX} more"] if len(found) > PROBLEMS_MAX else []
        raise SettingsError(path, problems + more) from error


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """A TOML file as its text and its values, not checked against anything.

    Raises:
        SettingsError: The file is missing, no regular file, too large, or not TOML.
    """
    try:
        data = read_at_most(path, FILE_BYTES_MAX)
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()  # with any kind of line ends
    except UnfitFileError as error:
        raise SettingsError(path, [f": cannot be read ({error.strerror})"]) from error
    except OSError as error:
        raise SettingsError(
            path, [f": cannot be read ({error.strerror}). Name the file with --config"]
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(path, [f": is not UTF-8 text (byte {error.start})"]) from error
    try:
        return text, toml_of(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(path, [f": is not TOML: {error}"]) from error


def _explain(text: str, problem: ErrorDetails, model: type[BaseModel]) -> str:
    location = problem["loc"]
    key = ".".join(str(part) for part in location)
    line = _line_of(text, location)
    where = f":{line}: {key}" if line else f": {key}" if key else ""
    if problem["type"] == "extra_forbidden":
        allowed = _allowed_keys(model, location)
        return f"{where}: unknown key. Allowed here: {', '.join(allowed)}"
    if problem["type"] == "missing":
        return f"{where}: this key is missing"
    return f"{where}: {words_of(problem)}"


def words_of(problem: ErrorDetails) -> str:
    """What pydantic says of one value, and which it is; a password in it, or a secret, is masked."""
    given, location = problem.get("input"), problem["loc"]
    key = str(location[-1]) if location else ""
    shown = f" (got {masked(given, key)!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{problem['msg'].removeprefix('Value error, ')}{shown}"


def _line_of(text: str, location: tuple[int | str, ...]) -> int | None:
    """The line of the last named part of ``location``, found by walking the headings above it."""
    names = [part for part in location if isinstance(part, str)]
    indexes = [part for part in location if isinstance(part, int)]
    if not names:
        return None
    wanted = indexes[0] if indexes else None
    seen, inside = -1, len(names) == 1
    for number, line in enumerate(text.splitlines(), start=1):
        heading = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if heading:
            inside = heading.group(1).strip('"').split(".") == names[: heading.group(1).count(".") + 1]
            if inside and line.lstrip().startswith("[["):
                seen += 1
                inside = wanted is None or seen == wanted
            continue
        if inside and re.match(rf"\s*\"?{re.escape(names[-1])}\"?\s*=", line):
            return number
    return None


def _allowed_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    current: type[BaseModel] = model
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            break
        current = inner
    return sorted(field.alias or name for name, field in current.model_fields.items())


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
