"""Dataclasses to JSON and back, by their annotations: one rule for plans, events and views.

Names become camelCase. A ``timedelta`` becomes whole seconds under a key that
ends in ``Seconds``, a ``datetime`` ISO 8601 in UTC, an enum its value. There
are no floats: canonical JSON is hashed, and floats print differently from one
language to the next.

Shapes:  a dataclass is one object; ``None`` is written, so that a reader sees the key. A field with
         the metadata :data:`SPARSE` is left out while it has its default: one that a later release
         added changes nothing of what an earlier one wrote, digests included.
Errors:  :exc:`ValueError` naming the path, for JSON that does not fit the class.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

SPARSE: Mapping[str, bool] = types.MappingProxyType({"sparse": True})

T = TypeVar("T")
Encoder = Callable[[Any], Any]
Decoder = Callable[[Any, str], Any]


def to_json(value: Any) -> dict[str, Any]:
    """Return *value* as JSON values only.

    >>> from fleet.model.plan import Change
    >>> to_json(Change(path="version", before="1.1.1", after="1.2.6"))
    {'path': 'version', 'before': '1.1.1', 'after': '1.2.6'}
    """
    cls = typing.cast("Hashable", type(value))
    return _object(value, _encoders(cls), _sparse(cls))


def each_to_json(cls: type[T], values: Iterable[T]) -> Iterator[dict[str, Any]]:
    """Yield of each of *values* what :func:`to_json` returns.

    What several of them have in common is encoded once: nobody may change a part of what comes.
    """
    kind = typing.cast("Hashable", cls)
    fields = [(field, name, encode and _once(encode)) for field, name, encode in _encoders(kind)]
    sparse = [
        (field, name, encode and _once(encode), default)
        for field, name, encode, default in _sparse(kind)
    ]
    for value in values:
        yield _object(value, fields, sparse)


def from_json(cls: type[T], data: object, *, path: str = "$") -> T:
    """Build a *cls* from what :func:`to_json` returned."""
    if not isinstance(data, Mapping):
        raise _misfit(path, "an object", data)
    fields, names = _decoders(typing.cast("Hashable", cls))
    if unknown := data.keys() - names:
        message = f"{path}: unknown key {min(unknown)!r}"
        raise ValueError(message)
    found = {}
    for field, name, decode, is_required in fields:
        if name in data:
            found[field] = decode(data[name], f"{path}.{name}")
        elif is_required:
            message = f"{path}.{name} is missing"
            raise ValueError(message)
    return cls(**found)


def utc_text(moment: dt.datetime) -> str:
    """Return *moment* as ISO 8601 with microseconds and ``Z``.

    >>> utc_text(dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC))
    '2026-01-10T02:00:00.000000Z'
    """
    if moment.tzinfo is not dt.UTC:
        moment = moment.astimezone(dt.UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def json_name(field: str, hint: object = None) -> str:
    """Return the JSON key of a dataclass field.

    >>> json_name("cluster_id"), json_name("start_deadline", dt.timedelta)
    ('clusterId', 'startDeadlineSeconds')
    """
    hint, _ = _without_none(hint)
    field = _RENAMED.get(field, field)
    head, *rest = field.split("_")
    text = head + "".join(part.title() for part in rest)
    return text + "Seconds" if hint is dt.timedelta else text


def _object(
    value: Any,
    fields: Iterable[tuple[str, str, Encoder | None]],
    sparse: Iterable[tuple[str, str, Encoder | None, Any]],
) -> dict[str, Any]:
    found = {
        name: getattr(value, field) if encode is None else encode(getattr(value, field))
        for field, name, encode in fields
    }
    for field, name, encode, default in sparse:
        if (one := getattr(value, field)) != default:
            found[name] = one if encode is None else encode(one)
    return found


_MOST_KNOWN = 1_000
"""Of parts: where there are more, hardly anything is common, and keeping them all costs memory."""


def _once(encode: Encoder) -> Encoder:
    """Return an encoder that encodes an object once, however often it is asked."""
    known: dict[int, tuple[Any, Any]] = {}

    def encoded(value: Any) -> Any:
        found = known.get(id(value))
        if found is None:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            # NB: the object is kept as well, or another might get its id.
            found = known[id(value)] = (value, encode(value))
        return found[1]

    return encoded


# Plain words where the field's name is bent by Python (``from`` is a keyword).
_RENAMED = {"from_version": "from", "to_version": "to"}


@functools.cache
def _encoders(cls: Any) -> tuple[tuple[str, str, Encoder | None], ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        (field.name, json_name(field.name, hints[field.name]), _encoder(hints[field.name]))
        for field in dataclasses.fields(cls)
        if not field.metadata.get("sparse")
    )


@functools.cache
def _sparse(cls: Any) -> tuple[tuple[str, str, Encoder | None, Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        (
            field.name,
            json_name(field.name, hints[field.name]),
            _encoder(hints[field.name]),
            field.default,
        )
        for field in dataclasses.fields(cls)
        if field.metadata.get("sparse")
    )


@functools.cache
def _decoders(cls: Any) -> tuple[tuple[tuple[str, str, Decoder, bool], ...], frozenset[str]]:
    """Return how to read each field, and the names that an object may have."""
    hints = typing.get_type_hints(cls)
    fields = tuple(
        (
            field.name,
            json_name(field.name, hints[field.name]),
            _decoder(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cls)
    )
    return fields, frozenset(name for _, name, _, _ in fields)


def _encoder(hint: Any) -> Encoder | None:
    """Return how to encode a value of this annotation; ``None``: it is JSON already."""
    inner, is_optional = _without_none(hint)
    encode = _plain_encoder(inner)
    if encode is None or not is_optional:
        return encode
    return lambda value: None if value is None else encode(value)


def _plain_encoder(hint: Any) -> Encoder | None:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        item = _encoder(args[0])
        return list if item is None else functools.partial(_encode_list, item)
    if origin in _MAPPINGS:
        item = _encoder(args[1])
        return dict if item is None else functools.partial(_encode_map, item)
    if hint is float:
        message = "a float has no canonical form: use an integer with a unit, or text"
        raise TypeError(message)
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return lambda value: value.value
        return _ENCODERS.get(hint, to_json if dataclasses.is_dataclass(hint) else None)
    return None


def _encode_list(item: Encoder, value: Iterable[Any]) -> list[Any]:
    return [item(one) for one in value]


def _encode_map(item: Encoder, value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item(one) for key, one in value.items()}


def _decoder(hint: Any) -> Decoder:
    inner, is_optional = _without_none(hint)
    decode = _plain_decoder(inner)
    if not is_optional:
        return decode
    return lambda value, path: None if value is None else decode(value, path)


def _plain_decoder(hint: Any) -> Decoder:
    hint = getattr(hint, "__supertype__", hint)  # a NewType is its supertype on the wire
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return functools.partial(_tuple, _decoder(args[0]))
    if origin in _MAPPINGS:
        return functools.partial(_mapping, _decoder(args[1]))
    if hint in _DECODERS:
        return _DECODERS[hint]
    if dataclasses.is_dataclass(hint):
        return lambda value, path: from_json(typing.cast("type[Any]", hint), value, path=path)
    is_enum = isinstance(hint, type) and issubclass(hint, enum.Enum)
    return functools.partial(_enum if is_enum else _plain, hint)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        inner = [one for one in typing.get_args(hint) if one is not types.NoneType]
        return inner[0], len(inner) < len(typing.get_args(hint))
    return hint, False


def _tuple(item: Decoder, value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _misfit(path, "a list", value)
    return tuple(item(one, f"{path}[{n}]") for n, one in enumerate(value))


def _mapping(item: Decoder, value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(path, "an object", value)
    return {key: item(one, f"{path}.{key}") for key, one in value.items()}


def _enum(cls: type[enum.Enum], value: object, path: str) -> enum.Enum:
    try:
        return cls(value)
    except ValueError:
        raise _misfit(path, "one of " + ", ".join(str(m.value) for m in cls), value) from None


def _plain(cls: type, value: object, path: str) -> Any:
    # NB: bool is an int to isinstance, and true is not a number to anybody else.
    if not isinstance(value, cls) or (isinstance(value, bool) and cls is not bool):
        raise _misfit(path, _NAMES.get(cls, cls.__name__), value)
    return value


def _moment(value: object, path: str) -> dt.datetime:
    text = _plain(str, value, path)
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise _misfit(path, "a moment such as 2026-01-10T02:00:00Z", value) from None
    raise _misfit(path, "a moment with its offset from UTC", value)


def _seconds(value: object, path: str) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=_plain(int, value, path))
    except OverflowError:
        message = f"{path}: no span of time is that long"
        raise ValueError(message) from None


def _misfit(path: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{path}: expected {wanted}, found {_NAMES.get(type(value), 'null')}")


_MAPPINGS = (Mapping, dict)
_NAMES: Mapping[type, str] = {
    str: "text",
    int: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    float: "a fraction",
}
_ENCODERS: Mapping[type, Encoder] = {
    dt.datetime: utc_text,
    dt.timedelta: lambda value: int(value.total_seconds()),
}
_DECODERS: Mapping[Any, Decoder] = {dt.datetime: _moment, dt.timedelta: _seconds}
