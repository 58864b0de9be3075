"""What a plan file may say of gates, and of approvals.

What must hold between keys is in :mod:`fleet.spec.gaterules`; what becomes of them in
:mod:`fleet.spec.gatefile`.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from fleet.core import conditions
from fleet.model.gates import OnVerdict
from fleet.model.redaction import Redactor
from fleet.spec import flaws
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.values import Deadline, Duration, Name, Text, Variable

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)
_SOME = Field(min_length=1)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_QUERY = 10_000
_LONGEST_URL = 2_000
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Source: RFC 9110, 5.6.2: a token.
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "host", "transfer-encoding"})


def _condition(value: Any) -> str:
    if not isinstance(value, str):
        message = f"expected a condition, found {flaws.kind_of(value)}"
        raise refusal(message, 'quote it, such as "value >= 0.99"')
    try:
        return conditions.parse(value).text
    except ValueError as error:
        raise refusal(f"this condition {error}") from None


def _harmless(value: str) -> str:
    """Refuse what looks like a secret; NB: it is not quoted."""
    if Redactor().text(value) != value:
        message = "this holds what looks like a secret, and a plan file's text is kept"
        raise refusal(message, "let it come from the environment: headers take {fromEnv: NAME}")
    return value


def _url(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_URL:
        message = f"expected a URL, found {flaws.kind_of(value)}"
        raise refusal(message, _SUCH_AS)
    if (netloc := _netloc(value)) is None:
        # NB: not quoted, since there may be a password in it.
        message = "this is no URL of http or https"
        raise refusal(message, _SUCH_AS)
    if "@" in netloc:
        message = "a user or a password in a URL is never written into a file"
        raise refusal(message, "put it into a header, whose value comes from the environment")
    return _harmless(value)


_SUCH_AS = "such as https://prometheus.contoso.example"


def _netloc(url: str) -> str | None:
    """Return whom a URL names, with the user before it; ``None``: it is no whole URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts.netloc if is_whole and " " not in url else None


def is_safe(url: str) -> bool:
    """Tell whether a secret may be sent there: by https, or to this machine."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK


def _query(value: str) -> str:
    if not value.strip() or any(not one.isprintable() and one not in "\n\t" for one in value):
        message = "expected a query, without control characters"
        raise refusal(message)
    return _harmless(value)


def _workspace(value: Any) -> Any:
    if not isinstance(value, str) or _GUID.fullmatch(value.lower()):
        return value.lower() if isinstance(value, str) else value
    hint = "`az monitor log-analytics workspace show --query customerId` shows it"
    raise refusal(f"{flaws.quoted(value)} is not the id of a workspace", hint)


def _pointer(value: Any) -> Any:
    if isinstance(value, str) and value and not value.startswith("/"):
        hint = f"did you mean {flaws.quoted('/' + value.lstrip('$.').replace('.', '/'))}?"
        raise refusal(f"{flaws.quoted(value)} is not a JSON Pointer", hint)
    return value


def _header(value: Any) -> Any:
    # NB: not quoted: whoever mistakes the place writes a secret here.
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        message = "this is not the name of a header"
        raise refusal(message)
    if value.lower() in _OF_THE_CONNECTION:
        raise refusal(f"the header {value} belongs to the connection", "remove it")
    return value


def _from_env(value: Any) -> Any:
    if not isinstance(value, dict):
        message = "the value of a header is never written into a file"
        hint = "write {fromEnv: NAME}, with the name of the environment variable that holds it"
        raise refusal(message, hint)
    return value


def _interval(value: dt.timedelta) -> dt.timedelta:
    if not value:
        message = "an interval cannot be zero"
        raise refusal(message, "such as 1m; without one there is one measurement")
    return value


def _whole(least: int, most: int) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < least:
                raise refusal(f"must be at least {least}")
            if value > most:
                raise refusal(f"must be at most {most}")
        return value

    return BeforeValidator(check)


Condition = Annotated[
    str,
    PlainValidator(_condition),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": 1000, "examples": ["value >= 0.99"]}
    ),
]
Url = Annotated[
    str,
    PlainValidator(_url),
    WithJsonSchema({"type": "string", "pattern": "^https?://[^@ ]+$", "maxLength": _LONGEST_URL}),
]
Query = Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY), AfterValidator(_query)]
Workspace = Annotated[str, BeforeValidator(_workspace), Field(json_schema_extra={"format": "uuid"})]
Pointer = Annotated[
    str, BeforeValidator(_pointer), Field(max_length=500, json_schema_extra={"pattern": "^(/|$)"})
]
HeaderName = Annotated[str, BeforeValidator(_header)]
Word = Annotated[str, Field(max_length=2000), AfterValidator(_harmless)]
Times = Annotated[int, _whole(1, 10_000), Field(json_schema_extra={"minimum": 1})]
Limit = Annotated[int, _whole(0, 10_000), Field(json_schema_extra={"minimum": 0})]
LimitOrNone = Annotated[int, _whole(-1, 10_000), Field(json_schema_extra={"minimum": -1})]
Quorum = Annotated[int, _whole(1, 20), Field(json_schema_extra={"minimum": 1, "maximum": 20})]
Observations = Annotated[int, _whole(0, 10_000), Field(json_schema_extra={"minimum": 0})]
Interval = Annotated[Duration, AfterValidator(_interval)]


class HeaderFile(FileModel):
    """Where the value of a header comes from."""

    from_env: Variable
    """The environment variable that holds it when the gate is measured."""


Headers = Annotated[
    dict[HeaderName, Annotated[HeaderFile, BeforeValidator(_from_env)]], Field(min_length=1)
]


class PrometheusFile(FileModel):
    """A Prometheus server, or whatever speaks its API; the answer's samples are the values."""

    url: Url
    """Where it is, without /api/v1/query."""
    query: Query | None = None
    """PromQL; ${clusters}, ${wave} and ${window} are filled in. A canned gate has its own."""
    azure_token: bool = False
    """Whether it wants a token of Azure, as Azure Monitor managed service for Prometheus does."""
    headers: Headers | None = None
    """What else is sent; values come from the environment."""


class LogAnalyticsFile(FileModel):
    """A Log Analytics workspace; the first column of numbers has the values."""

    workspace: Workspace
    """Its customer id."""
    query: Query | None = None
    """KQL; ${clusters}, ${wave} and ${window} are filled in. A canned gate has its own."""


class HttpFile(FileModel):
    """A GET that answers with JSON."""

    url: Url
    """The whole address; ${clusters}, ${wave} and ${window} are filled in."""
    pointer: Pointer = ""
    """A JSON Pointer to the number, or to a list of them; empty: the whole answer."""
    headers: Headers | None = None
    """What is sent; values come from the environment."""


class CommandFile(FileModel):
    """A program on this machine that prints a number, or JSON."""

    argv: Annotated[list[Word], Field(min_length=1, max_length=100)]
    """The program and its arguments: no shell is between. Placeholders are filled in."""
    pointer: Pointer = ""
    """A JSON Pointer into what it prints; empty: all of it."""


class ResourceGraphFile(FileModel):
    """Azure Resource Graph; the first column of numbers has the values."""

    query: Query
    """KQL; ${clusters}, ${wave} and ${window} are filled in."""


class OwnStateFile(FileModel):
    """The extension's own state: the value is the share of the wave that is as planned."""


class GateFile(FileModel):
    """What is measured, how often, and what must be true of it. It has exactly one source."""

    name: Name
    """What waves call it."""
    uses: Text | None = None
    """A canned gate: what this one does not say comes from there."""
    prometheus: PrometheusFile | None = None
    """Asks a Prometheus server."""
    log_analytics: LogAnalyticsFile | None = None
    """Asks a Log Analytics workspace."""
    http: HttpFile | None = None
    """Asks a server of your own."""
    command: CommandFile | None = None
    """Runs a program."""
    resource_graph: ResourceGraphFile | None = None
    """Asks Azure Resource Graph."""
    extension: OwnStateFile | None = None
    """Looks at the extension itself."""
    success: Condition | None = None
    """What must hold, such as value >= 0.99; without success and failure any number passes."""
    failure: Condition | None = None
    """What must not hold; what meets neither condition is inconclusive."""
    interval: Interval | None = None
    """Between measurements; without it there is one."""
    count: Times | None = None
    """How many; without it, and with an interval, as long as the soak lasts."""
    initial_delay: Duration | None = None
    """Before the first."""
    failure_limit: LimitOrNone | None = None
    """More failed measurements than this fail the gate: 0 where nothing is said; -1: none do."""
    inconclusive_limit: Limit | None = None
    """The same for those that are inconclusive, or found no data: 0 where nothing is said."""
    consecutive_error_limit: Limit | None = None
    """The same for errors in a row: 4 where nothing is said."""
    consecutive_success_limit: Limit | None = None
    """So many passed in a row pass the gate at once; 0, as where nothing is said: off."""
    dry_run: bool | None = None
    """Whether it is measured and told only: whatever it comes to, the run goes on."""
    timeout: Deadline | None = None
    """How long one measurement may take: 30s where nothing is said."""
    on_fail: Annotated[OnVerdict, _BY_VALUE] | None = None
    """What a gate that fails leads to: stop where nothing is said."""
    on_inconclusive: Annotated[OnVerdict, _BY_VALUE] | None = None
    """What one leads to of which nobody can tell: pause where nothing is said."""
    on_no_data: Annotated[OnVerdict, _BY_VALUE] | None = None
    """What one leads to that found no data: pause where nothing is said."""
    on_error: Annotated[OnVerdict, _BY_VALUE] | None = None
    """What one leads to that could not be measured: pause where nothing is said."""


class ApprovalFile(FileModel):
    """Who must have agreed before a wave opens, or before it closes."""

    when: Literal["before", "after"] = "before"
    """Before the wave opens, or after it, before the next one may."""
    quorum: Quorum = 1
    """How many different people."""
    not_author: bool = True
    """Whether whoever began the run does not count."""
    expires: Deadline | None = None
    """How long an approval holds: 7d where nothing is said, and at most 30d."""
    by: Annotated[list[Text], _SOME] | None = None
    """Whose count, as they are called in the journal; anybody's where nothing is said."""


class RunApprovalFile(ApprovalFile):
    """An approval that several waves need."""

    waves: Annotated[list[Name], _SOME] | None = None
    """Their names; every wave where nothing is said."""
