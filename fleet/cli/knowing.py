"""``fleet profiles``: what is known of extension types, and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet.cli import options
from fleet.spec import profilefile, profiles as facts
from fleet.spec.profileform import ProfileFile
from fleet.ui import output
from fleet.ui.output import Format
from fleet.ui.tables import Table

_FILE = ".toml"
_COLUMNS = ("profile", "extensionType", "name", "namespace", "alsoKnown")


def profiles(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|TYPE|FILE]",
            help="A profile, an extension type, or a TOML file of your own to check.",
        ),
    ] = None,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """List what fleet knows about extension types, or all that it knows about one."""
    form = options.chosen(form, as_json=as_json)
    if name is None:
        _print_list([_document(one) for one in facts.names()], form)
    elif name.endswith(_FILE):
        _print_one(_own(Path(name)), form)
    else:
        known = facts.for_type(name)
        _print_one(_document(known.name if known else name), form)


def _document(name: str) -> Mapping[str, Any]:
    """Return what is published of a profile: its file's keys, under its name."""
    facts.require(name)
    return {"profile": name, **facts.said(name)}


def _own(path: Path) -> Mapping[str, Any]:
    found = profilefile.form(path)
    return {
        "profile": path.stem,
        **found.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }


def _print_list(found: list[Mapping[str, Any]], form: Format) -> None:
    if form is Format.NAME:
        output.print_names([one["profile"] for one in found])
    elif form in (Format.JSON, Format.YAML):
        output.print_document(found, form=form)
    else:
        rows = [tuple(_row(one)) for one in found]
        spare = ("name", "namespace", "alsoKnown") if form is Format.TABLE else ()
        output.print_tables([Table(header=_COLUMNS, rows=rows, spare=spare)], form=form)


def _row(document: Mapping[str, Any]) -> Iterator[str]:
    for key in ("profile", "extensionType", "instanceName", "namespace"):
        yield document.get(key, "-")
    yield ", ".join(_words(document)) or "-"


def _words(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield in a few words what else is known."""
    told = {
        "hasOneInstance": "one on a cluster",
        "hasSequentialMinors": "minors in turn",
    }
    yield from (text for key, text in told.items() if document.get(key))
    if document.get("scope") == "namespace":
        yield "for a namespace"
    if document.get("mayDowngrade") is False:
        yield "no way back"
    if "versionOrder" in document:
        yield f"order: {document['versionOrder']}"
    if "supportedMinorCount" in document:
        yield f"newest {document['supportedMinorCount']} minors"
    for key, what in (("distributions", "distributions"), ("catalogue", "versions")):
        if key in document:
            yield f"{len(document[key])} {what}"
    if "clusterTypes" in document:
        yield f"{', '.join(document['clusterTypes'])} only"


def _print_one(document: Mapping[str, Any], form: Format) -> None:
    if form is Format.NAME:
        output.print_names([document["profile"]])
    elif form in (Format.JSON, Format.YAML):
        output.print_document(document, form=form)
    else:
        tables = [Table(header=("key", "value"), rows=list(_said(document)))]
        if form is not Format.CSV:
            tables.append(
                Table(
                    title="Not known", header=("key", "whatFollows"), rows=list(_unsaid(document))
                )
            )
        output.print_tables(tables, form=form)


def _said(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if key == "notes":
            yield from (("note", one) for one in value)
        elif key == "distributionSettings":
            for distribution, settings in value.items():
                for setting, text in settings.items():
                    yield f"{key}.{distribution}", f"{setting} = {output.word(text)}"
        elif key == "needs":
            for need in value:
                asked = f"{need['setting']} = {output.word(need['value'])}"
                yield key, f"{asked}: {need['api']}, which Kubernetes {need['goneIn']} is without"
        elif key == "checks":
            for check in value:
                yield f"{key}.{check['id']}", f"{check.get('severity', 'gate')}: {check['title']}"
        else:
            yield key, ", ".join(value) if isinstance(value, list) else output.word(value)


def _unsaid(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in ProfileFile.model_fields.values():
        _, is_optional, follows = (field.description or "").partition("not known: ")
        if is_optional and field.alias not in document:
            yield field.alias or "", follows.rstrip(".")


COMMANDS = (profiles,)
