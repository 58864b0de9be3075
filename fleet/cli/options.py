"""Flags that several commands share, each with its environment variable.

``--yes`` has none, on purpose: consent is given by a person or by a job that
spells it out.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet.azure import credentials
from fleet.azure.credentials import Credential, Kind
from fleet.azure.paths import EXTENSIONS_API, EXTENSIONS_APIS
from fleet.net.network import Network
from fleet.ui.output import Format

PlanFile = Annotated[Path, typer.Argument(metavar="FILE", help="A plan file.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run; see `fleet runs`.")]

Output = Annotated[
    Format,
    typer.Option("-o", "--output", envvar="FLEET_OUTPUT", help="How to print the data."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as `-o json`.")]
Reason = Annotated[
    str, typer.Option("--reason", envvar="FLEET_REASON", help="Why; kept in the journal.")
]
RequestId = Annotated[
    str | None,
    typer.Option(
        "--request-id", envvar="FLEET_REQUEST_ID", help="The same id twice is one request."
    ),
]

Calendars = Annotated[
    Path | None,
    typer.Option(
        "--calendars",
        envvar="FLEET_CALENDARS",
        metavar="FILE",
        help="A file of calendars that bind every run that is planned here.",
    ),
]
NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait",
        envvar="FLEET_NO_WAIT",
        help="Exit 6 when paused, or when there is more than a minute to wait; go on later.",
    ),
]
WaitingOk = Annotated[
    bool,
    typer.Option(
        "--waiting-ok",
        envvar="FLEET_WAITING_OK",
        help="Exit 0, not 6, where the run waits: for job runners that take 6 for a failure.",
    ),
]


def chosen(output: Format, *, as_json: bool) -> Format:
    """Return the format that was asked for."""
    return Format.JSON if as_json else output


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the command line says of the service to speak to, and of whom to speak as."""

    world: Annotated[
        Path | None,
        typer.Option(
            "--world",
            envvar="FLEET_WORLD",
            metavar="FILE",
            help="Use the simulated fleet that FILE describes, without HTTP, instead of Azure.",
        ),
    ] = None
    cloud: Annotated[
        str | None,
        typer.Option(
            "--cloud",
            envvar="FLEET_CLOUD",
            help="AzureCloud (where nothing is said), AzureUSGovernment or AzureChinaCloud.",
        ),
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            envvar="FLEET_ENDPOINT",
            metavar="URL",
            help="Anything that speaks Azure's protocol, such as `fleet sim serve`.",
        ),
    ] = None
    audience: Annotated[
        str | None,
        typer.Option(
            "--audience",
            envvar="FLEET_AUDIENCE",
            help="Whom tokens are for, where the endpoint is not Azure's.",
        ),
    ] = None
    credential: Annotated[
        list[str] | None,
        typer.Option(
            "--credential",
            envvar="FLEET_CREDENTIAL",
            metavar="|".join(Kind),
            help=(
                "Where tokens come from; `default` tries what is there, as the Azure CLI does. "
                "Several (or one,two) share the requests, each with limits of its own."
            ),
        ),
    ] = None
    api_version: Annotated[
        str | None,
        typer.Option(
            "--api-version",
            envvar="FLEET_API_VERSION",
            help=f"Of extensions: {', '.join(EXTENSIONS_APIS)}; {EXTENSIONS_API} unless named.",
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            envvar="FLEET_CA_FILE",
            metavar="PEM",
            help="Certificate authorities to trust beside the system's; else REQUESTS_CA_BUNDLE.",
        ),
    ] = None
    proxy: Annotated[
        str | None,
        typer.Option(
            "--proxy",
            envvar="FLEET_PROXY",
            metavar="URL",
            help="For all requests but those in NO_PROXY; else HTTPS_PROXY and ALL_PROXY count.",
        ),
    ] = None
    max_connections: Annotated[
        int,
        typer.Option(
            "--max-connections",
            envvar="FLEET_MAX_CONNECTIONS",
            metavar="COUNT",
            min=0,
            max=10_000,
            help="To the service at a time; 0: as many as there are requests under way.",
        ),
    ] = 0
    connect_timeout: Annotated[
        int,
        typer.Option(
            "--connect-timeout",
            envvar="FLEET_CONNECT_TIMEOUT",
            metavar="SECONDS",
            min=1,
            max=120,
            help="How long a connection may take to be made.",
        ),
    ] = 10
    read_timeout: Annotated[
        int | None,
        typer.Option(
            "--read-timeout",
            envvar="FLEET_READ_TIMEOUT",
            metavar="SECONDS",
            min=1,
            max=300,
            help="How long an answer may pause; else as long as the request may take.",
        ),
    ] = None
    request_timeout: Annotated[
        int,
        typer.Option(
            "--request-timeout",
            envvar="FLEET_REQUEST_TIMEOUT",
            metavar="SECONDS",
            min=1,
            max=300,
            help="How long one request may take.",
        ),
    ] = 90

    def __post_init__(self) -> None:
        # They say at once what is wrong with them.
        credentials.named(self.credential or ())
        self.network  # noqa: B018

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that say all of this to another process.

        NB: never as flags: a proxy's URL may hold a password, and everybody sees a command line.
        """
        told: dict[str, str] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                text = ",".join(value) if isinstance(value, list) else str(value)
                told[f"FLEET_{field.name.upper()}"] = text
        return told

    @property
    def network(self) -> Network:
        """How requests get there."""
        return Network(
            ca_file=self.ca_file,
            proxy=self.proxy,
            connect_limit_s=self.connect_timeout,
            read_limit_s=self.read_timeout,
            call_limit_s=self.request_timeout,
            connections=self.max_connections,
        )

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """As whom to speak; none: what suits the place."""
        return credentials.named(self.credential or ())


def taking(cls: type, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a command the flags of the dataclass *cls* instead of its parameter *name*.

    NB: stacked, the flags of the outer one come last in the help.
    """
    fields = dataclasses.fields(cls)
    hints = inspect.get_annotations(cls, eval_str=True)
    flags = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=hints[one.name],
        )
        for one in fields
    ]

    def taken(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(*args: Any, **kwargs: Any) -> None:
            given = cls(**{one.name: kwargs.pop(one.name) for one in fields})
            command(*args, **{name: given}, **kwargs)

        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.name != name]
        by_name = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        together = [*by_name, *flags]
        called.__signature__ = signature.replace(parameters=together)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in together}
        return called

    return taken


at_a_place = taking(Where, "where")
"""Gives a command the flags that say where the service is."""
