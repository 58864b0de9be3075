"""Everything that a faults file can let go wrong: names, what they are about, what a client sees.

The words here are those of ``docs/simulator.md`` and of ``fleet sim faults``; a test compares.
How it is brought about: :mod:`fleet.sim.server.interference` for requests, :mod:`fleet.sim.world`
for writes.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping


class Asked(enum.StrEnum):
    """What a request is about, as faults files call it."""

    METADATA = "metadata"
    """The published clock, endpoints, and what a login looks up."""
    TOKEN = "token"  # noqa: S105 - a kind of request
    SUBSCRIPTIONS = "subscriptions"
    PROVIDERS = "providers"
    GRAPH = "graph"
    CLUSTERS = "clusters"
    CLUSTER = "cluster"
    CREDENTIAL = "credential"
    EXTENSIONS = "extensions"
    EXTENSION = "extension"
    """GET, PUT, PATCH and DELETE of one."""
    OPERATION = "operation"
    TYPES = "types"
    """Extension types and their versions."""
    POLICIES = "policies"
    PERMISSIONS = "permissions"
    ACTIVITY = "activity"
    METRICS = "metrics"
    """Instant queries of Prometheus."""
    LOGS = "logs"
    """Queries of Log Analytics."""


class Level(enum.Enum):
    """Where something goes wrong."""

    REQUEST = enum.auto()
    """Between the client and the service: met over HTTP only."""
    WRITE = enum.auto()
    """In the service or in the cluster, after a PUT, PATCH or DELETE was understood."""
    CLOCK = enum.auto()
    """In what the service says of the time."""


class Fault(enum.StrEnum):
    """What can go wrong, as faults files call it."""

    THROTTLED = "throttled"
    PROVIDER_THROTTLED = "providerThrottled"
    INTERNAL_ERROR = "internalError"
    BAD_GATEWAY = "badGateway"
    UNAVAILABLE = "unavailable"
    GATEWAY_TIMEOUT = "gatewayTimeout"
    GATEWAY_TIMEOUT_AFTER = "gatewayTimeoutAfter"
    RESET_BEFORE = "resetBefore"
    RESET_AFTER = "resetAfter"
    SLOW_ANSWER = "slowAnswer"
    SLOW_BODY = "slowBody"
    CUT_BODY = "cutBody"
    TRUNCATED_JSON = "truncatedJson"
    HTML_PAGE = "htmlPage"
    DUPLICATE_ROWS = "duplicateRows"
    CONFLICT = "conflict"
    LATE_CONFLICT = "lateConflict"
    COMPETING_WRITER = "competingWriter"
    REVERTED = "reverted"
    OPERATION_FAILS = "operationFails"
    STUCK_OPERATION = "stuckOperation"
    SILENT_FAILURE = "silentFailure"
    OFFLINE_MIDWAY = "offlineMidway"
    LATE_READ = "lateRead"
    RELAPSE = "relapse"
    CLOCK_JUMP = "clockJump"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of a fault."""

    level: Level
    seen: str
    """What happens, and what the client sees of it: one sentence or two."""
    about: frozenset[Asked] = frozenset(Asked) - {Asked.METADATA}
    """What it is about where a rule does not say ``on``."""
    options: frozenset[str] = frozenset()
    """Keys of a rule that only some faults take."""


_WAIT = frozenset({"retryAfterSeconds"})
_SECONDS = frozenset({"seconds"})
_MESSAGE = frozenset({"message"})
_EXTENSION = frozenset({Asked.EXTENSION})
_OF_PROVIDER = frozenset({Asked.EXTENSIONS, Asked.EXTENSION, Asked.OPERATION, Asked.TYPES})


def _request(seen: str, **more: frozenset[str] | frozenset[Asked]) -> Entry:
    return Entry(level=Level.REQUEST, seen=seen, **more)  # type: ignore[arg-type]


def _write(seen: str, options: frozenset[str] = frozenset()) -> Entry:
    return Entry(level=Level.WRITE, seen=seen, about=_EXTENSION, options=options)


REPERTOIRE: Mapping[Fault, Entry] = {
    Fault.THROTTLED: _request(
        "429 of Resource Manager's (SubscriptionRequestsThrottled, or TenantRequestsThrottled), "
        "with Retry-After; Resource Graph says RateLimiting, with quota headers instead.",
        options=_WAIT,
    ),
    Fault.PROVIDER_THROTTLED: _request(
        "429 of the provider's (TooManyRequests), with Retry-After.",
        about=_OF_PROVIDER,
        options=_WAIT,
    ),
    Fault.INTERNAL_ERROR: _request("500, InternalServerError; nothing was done.", options=_WAIT),
    Fault.BAD_GATEWAY: _request("502, BadGatewayConnection; nothing was done.", options=_WAIT),
    Fault.UNAVAILABLE: _request("503, ServiceUnavailable; nothing was done.", options=_WAIT),
    Fault.GATEWAY_TIMEOUT: _request("504, GatewayTimeout; nothing was done.", options=_WAIT),
    Fault.GATEWAY_TIMEOUT_AFTER: _request(
        "504, GatewayTimeout, and what was asked for was done: a write has taken effect.",
        options=_WAIT,
    ),
    Fault.RESET_BEFORE: _request(
        "The connection is reset before the service has heard the request: nothing was done."
    ),
    Fault.RESET_AFTER: _request(
        "The connection is reset when the service has done what was asked: a write has taken "
        "effect, and its answer and operation URL are lost."
    ),
    Fault.SLOW_ANSWER: _request(
        "The answer begins so many seconds late; what was asked for was done at once.",
        options=_SECONDS,
    ),
    Fault.SLOW_BODY: _request(
        "The answer's body comes in small pieces, over so many seconds.", options=_SECONDS
    ),
    Fault.CUT_BODY: _request(
        "Half of the announced body comes, and then the connection is reset; what was asked for "
        "was done."
    ),
    Fault.TRUNCATED_JSON: _request(
        "A whole answer with its own status, whose JSON ends half-way; what was asked for was done."
    ),
    Fault.HTML_PAGE: _request(
        "An HTML page instead of JSON, with status 502 or the given one, as front doors and "
        "networks that want a login answer; nothing was done.",
        options=frozenset({"status"}),
    ),
    Fault.DUPLICATE_ROWS: _request(
        "Pages of Resource Graph hold so many rows at most, and each repeats the last row of the "
        "one before, as offset paging does when rows come in between.",
        about=frozenset({Asked.GRAPH}),
        options=frozenset({"rows"}),
    ),
    Fault.CONFLICT: _write("409, UpdateFailed: somebody else's operation is in progress."),
    Fault.LATE_CONFLICT: _write(
        "The write is accepted, and its operation fails within seconds with UpdateFailed: a "
        "conflicting operation is in progress."
    ),
    Fault.COMPETING_WRITER: _write(
        "Somebody else's PATCH of the settings (a PUT, where nothing is installed) is heard just "
        "before: the write is accepted, and fails with UpdateFailed while theirs runs on."
    ),
    Fault.REVERTED: _write(
        "The operation succeeds, and by then somebody else has put back what was there before."
    ),
    Fault.OPERATION_FAILS: _write(
        "The operation ends in Failed, and so does the extension, with a recorded message.",
        _MESSAGE,
    ),
    Fault.STUCK_OPERATION: _write(
        "The operation never ends, and the extension stays as it is meanwhile (Updating)."
    ),
    Fault.SILENT_FAILURE: _write(
        "The operation says Succeeded, and the extension Failed, with a recorded message.", _MESSAGE
    ),
    Fault.OFFLINE_MIDWAY: _write(
        "The cluster's agents go offline half-way: for so many seconds, after which the operation "
        "goes on; without them for good, and the service gives up after 48 hours.",
        _SECONDS,
    ),
    Fault.LATE_READ: _write(
        "The operation has ended, and for so many seconds a GET does not show it yet.", _SECONDS
    ),
    Fault.RELAPSE: _write(
        "The operation succeeds, and so many seconds (without them, ten minutes) after a GET shows "
        "that, the extension is Failed, with a recorded message, until somebody writes again.",
        _SECONDS | _MESSAGE,
    ),
    Fault.CLOCK_JUMP: Entry(
        level=Level.CLOCK,
        seen=(
            "From a moment on the service's clock is so many seconds ahead (or, below zero, "
            "behind): in the Date header, in the published time and for the ends of tokens. The "
            "fleet ages as before."
        ),
        about=frozenset(),
        options=_SECONDS,
    ),
}
