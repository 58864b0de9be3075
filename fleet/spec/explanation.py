"""pydantic's errors in the words of the person who wrote the file.

Pure translation: each error becomes one :class:`~fleet.spec.flaws.Flaw` with
the nearest valid key or value. Lines and columns are added later, by
:mod:`fleet.spec.document`.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from fleet.spec import flaws
from fleet.spec.flaws import Flaw, Path, quoted

Source = Callable[[Path], str | None]
"""Returns how the scalar at a path was written."""

UNKNOWN_KEY = "unknown key"

# What people write for true and false where YAML 1.2 reads text.
_SPOKEN = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


class FileModel(BaseModel):
    """A part of a file that people write: strict, camelCase, no unknown keys."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        field_title_generator=lambda name, _: to_camel(name),
        model_title_generator=lambda model: model.__name__.removesuffix("File"),
    )

    @classmethod
    def cross_check(cls, data: Any) -> Iterator[Flaw]:
        """Yield what is wrong between keys; *data* may have any shape."""
        del data
        return iter(())


def refusal(
    message: str, hint: str | None = None, *, shows_source: bool = False
) -> PydanticCustomError:
    """Return the error that a validator raises.

    Args:
        message: What is wrong; no secret, and nothing long, in it.
        hint: What to do.
        shows_source: Whether *hint* ends in the value as written, in quotes.
    """
    # NB: the words travel in the context, since a template would read braces in them.
    context = {"message": message, "hint": hint or "", "shows_source": shows_source}
    return PydanticCustomError("fleet", "refused", context)


def of_refusal(error: PydanticCustomError, path: Path) -> Flaw:
    """Return what :func:`refusal` made, of a value that pydantic does not check."""
    context = error.context or {}
    return Flaw(path=path, message=context.get("message", ""), hint=context.get("hint") or None)


def explain(error: ErrorDetails, model: type[BaseModel], data: Any, source: Source) -> Flaw:
    """Return *error* in our words."""
    path, value = _path(error["loc"], data)
    kind = error["type"]
    if flaws.PROTECTED in (path[:-1] if kind == "extra_forbidden" else path):
        return _explain_protected(error, flaws.without_secrets(path, data))
    if kind == "extra_forbidden":
        return _explain_unknown(path, model, _model_at(model, path[:-1], data))
    if kind == "missing":
        return Flaw(path=path, message="this key is required")
    if kind == "fleet":
        return _explain_refusal(error, path, source)
    if value is None:
        return _no_value(path)
    if kind in ("enum", "literal_error"):
        return _explain_choice(error, path, value)
    message, hint = _explain_kind(error, path, value, source)
    return Flaw(path=path, message=message, hint=hint)


def no_values(data: Any, path: Path = ()) -> Iterator[Flaw]:
    """Yield a flaw for every key that has no value: for what may be left out too."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        inner = (*path, key)
        if value is None:
            yield _no_value(inner)
        elif isinstance(value, dict | list) and key != flaws.PROTECTED:
            yield from no_values(value, inner)


def without_echoes(found: list[Flaw]) -> list[Flaw]:
    """Leave out keys that are missing only because they are misspelt."""
    misspelt = {one.path[:-1] for one in found if one.message == UNKNOWN_KEY}
    return [one for one in found if not (one.is_absence and one.path in misspelt)]


def _no_value(path: Path) -> Flaw:
    return Flaw(path=path, message="no value", hint="give it one, or remove the key")


def _explain_protected(error: ErrorDetails, path: Path) -> Flaw:
    if error["type"] == "fleet":
        context = error["ctx"]
        return Flaw(path=path, message=context["message"], hint=context["hint"] or None)
    message = "a protected setting is never written into a file"
    hint = "write {fromEnv: NAME}, with the name of the environment variable that holds it"
    return Flaw(path=path, message=message, hint=hint)


def _explain_unknown(path: Path, model: type[BaseModel], part: type[BaseModel] | None) -> Flaw:
    key = str(path[-1])
    known = [field.alias or name for name, field in part.model_fields.items()] if part else []
    place = None if flaws.nearest(key, known) else _place_of(key, model)
    hint = f"it belongs in {flaws.dotted(place)}" if place else flaws.suggestion(key, known)
    return Flaw(path=path, message=UNKNOWN_KEY, hint=hint, is_about_key=True)


def _place_of(key: str, model: type[BaseModel]) -> Path | None:
    """Return where in a file *key* belongs, if that is one place."""
    places = set(_places_of(key, model, ()))
    return places.pop() if len(places) == 1 else None


def _places_of(key: str, model: type[BaseModel], path: Path) -> Iterator[Path]:
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if alias == key and path:
            yield path
        for leaf in _leaves(field.annotation):
            for item in _leaves(typing.get_args(leaf)[-1]) if typing.get_args(leaf) else [leaf]:
                if isinstance(item, type) and issubclass(item, BaseModel):
                    yield from _places_of(key, item, (*path, alias))


def _explain_refusal(error: ErrorDetails, path: Path, source: Source) -> Flaw:
    context = error["ctx"]
    hint = context["hint"]
    if context["shows_source"]:
        hint += f" {quoted(source(path) or '')}"
    return Flaw(path=path, message=context["message"], hint=hint or None)


def _explain_choice(error: ErrorDetails, path: Path, value: Any) -> Flaw:
    choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
    if not isinstance(value, str):
        expected = "expected " + " or ".join(choices)
        return Flaw(path=path, message=f"{expected}, found {flaws.kind_of(value)}")
    hint_text = flaws.suggestion(value, choices)
    return Flaw(path=path, message=f"unknown value {quoted(value)}", hint=hint_text)


def _explain_kind(
    error: ErrorDetails, path: Path, value: Any, source: Source
) -> tuple[str, str | None]:
    """Return message and hint for an error of pydantic's own."""
    kind, written = error["type"], source(path)
    if kind in _EXPECTED:
        message = f"expected {_EXPECTED[kind]}, found {flaws.kind_of(value)}"
        return message, _kind_hint(kind, value, written)
    if kind in ("too_short", "string_too_short"):
        return "may not be empty", None
    message = error["msg"].replace("Input should", "must").replace("String should", "must")
    return message[0].lower() + message[1:], None


def _kind_hint(kind: str, value: Any, written: str | None) -> str | None:
    is_scalar = written is not None and not isinstance(value, dict | list)
    if kind == "string_type" and is_scalar:
        return f"quote it: {quoted(written or '')}"
    if kind == "list_type" and is_scalar:
        return f"write it as a list: [{quoted(written or '')[1:-1]}]"
    if kind == "bool_type" and isinstance(value, str) and value.lower() in _SPOKEN:
        return f"write {_SPOKEN[value.lower()]}"
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "write it without quotes"
    return None


_EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _path(location: tuple[int | str, ...], data: Any) -> tuple[Path, Any]:
    """Return where in the data an error is, and what stands there.

    A location also holds pydantic's own marks, such as the branch of a union;
    they lead nowhere in the data, and are left out.
    """
    path: list[str | int] = []
    for n, part in enumerate(location):
        if _has(data, part):
            data = data[part]
        elif n == len(location) - 1 and isinstance(data, dict) and part != "[key]":
            data = None  # a key that is missing
        else:
            continue
        path.append(part)
    return tuple(path), data


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _model_at(model: type[BaseModel], path: Path, data: Any) -> type[BaseModel] | None:
    """Return the model that the mapping at *path* has to fit."""
    found: list[Any] = [model]
    for part in path:
        data = flaws.below(data, part)
        found = [inner for one in found for inner in _inner(one, part)]
    models = [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if models and isinstance(data, dict) else None


def _inner(annotation: Any, part: str | int) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return [leaf for f in fields if f.alias == part for leaf in _leaves(f.annotation)]
    wanted = list if isinstance(part, int) else dict
    if typing.get_origin(annotation) is wanted:
        return _leaves(typing.get_args(annotation)[-1])
    return []


def _leaves(annotation: Any) -> list[Any]:
    """Return the alternatives of an annotation, bare."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _leaves(args[0])
    if origin in (types.UnionType, typing.Union):
        return [leaf for one in args for leaf in _leaves(one)]
    return [annotation]
