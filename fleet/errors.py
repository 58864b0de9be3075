"""The one tree of errors: each says who can fix it.

::

    FleetError                  code   exit  who can fix it
      InputError                F100   2     the author of the plan file
      RefusedError              F200   3     policy; a person may decide otherwise
        HeldError               F210   3     the runner that holds the run
        LockedError             F220   3     the run that changes the same extensions
        LostLocksError          F230   3     whoever released them, or began the other run
      RemoteError               F300   4     Azure, Kubernetes or the network
        ThrottledError          F310         nobody: it says when to come again
        ConflictError           F320         whoever runs the other operation
        TransientError          F330         nobody: it may pass
        LostAnswerError         F331         nobody: the effect must be looked up
        AuthError               F340         whoever runs fleet: log in again
        DeniedError             F341         whoever grants access
        LostClusterError        F350         the cluster's owner
        OperationFailedError    F360         the extension, or its settings
        UnexpectedPayloadError  F370         the service, or our reading of it
        ClusterError            F380         whoever runs the cluster, or the way into it
          WrongClusterError     F381         the author of the plan file
      JournalError              F400   5     whoever owns the journal
        FencedError             F410         nobody: another runner took over
        TamperedError           F420         an auditor
      InvariantError            F900   70    us: a bug
        IllegalTransitionError  F910

A class's docstring is its default message. Expected ends of a target are
values (:mod:`fleet.model.events`), not errors.
"""

from __future__ import annotations

from typing import ClassVar


class FleetError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "F000"
    exit_status: ClassVar[int] = 70
    advice: ClassVar[str | None] = None
    """What to do where nobody knows better: the hint of an error that was given none."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.hint = hint or self.advice
        super().__init__(self.message)


class InputError(FleetError):
    """The input cannot be used."""

    code = "F100"
    exit_status = 2


class RefusedError(FleetError):
    """The command was refused."""

    code = "F200"
    exit_status = 3


class HeldError(RefusedError):
    """Another runner holds this run."""

    code = "F210"


class LockedError(RefusedError):
    """Another run is changing the same extensions."""

    code = "F220"


class LostLocksError(RefusedError):
    """This run does not hold its locks any more; its process starts nothing more."""

    code = "F230"


class RemoteError(FleetError):
    """A remote service did not do what was asked."""

    code = "F300"
    exit_status = 4
    advice = "`fleet doctor FILE` looks at everything on the way."

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s
        self.correlation_id = correlation_id


class ThrottledError(RemoteError):
    """The service asks for fewer requests."""

    code = "F310"
    advice = "Try again in some minutes; nothing was changed."


class ConflictError(RemoteError):
    """Another operation is in progress on the same resource."""

    code = "F320"


class TransientError(RemoteError):
    """The service failed in a way that may pass; nothing was changed."""

    code = "F330"
    advice = "Try again in a while; nothing was changed."


class LostAnswerError(RemoteError):
    """The request left, and no answer came: whether it took effect is unknown."""

    code = "F331"


class AuthError(RemoteError):
    """There is no identity that the service accepts: no token, or one that it refuses."""

    code = "F340"
    advice = "Log in again."


class DeniedError(RemoteError):
    """The service knows the identity and does not allow it this."""

    code = "F341"


class LostClusterError(RemoteError):
    """The cluster does not exist any more."""

    code = "F350"


class OperationFailedError(RemoteError):
    """The service carried the operation out and it failed."""

    code = "F360"


class UnexpectedPayloadError(RemoteError):
    """The service answered something that cannot be read."""

    code = "F370"
    advice = "Is it Azure that answers there, or a proxy in between? `fleet doctor FILE` looks."


class ClusterError(RemoteError):
    """A cluster's own API refused, or could not be reached.

    Its status is HTTP's; ``None``: it did not answer, or there was no way to ask.
    """

    code = "F380"
    advice = "Look at clusterAccess in the plan file: `kubectl --context ... get ns` should work."


class WrongClusterError(ClusterError):
    """Another cluster answers than the one that is meant."""

    code = "F381"
    advice = (
        "Correct clusterAccess in the plan file: the context, file, command or name that it has "
        "for this cluster is another's."
    )


class JournalError(FleetError):
    """The journal cannot be used."""

    code = "F400"
    exit_status = 5


class FencedError(JournalError):
    """Another runner took this run over; this one may write nothing more."""

    code = "F410"


class TamperedError(JournalError):
    """The record does not match its own hashes."""

    code = "F420"


class InvariantError(FleetError):
    """Something that must never happen has happened: this is a bug in fleet."""

    code = "F900"


class IllegalTransitionError(InvariantError):
    """An event does not fit the state it was applied to."""

    code = "F910"
