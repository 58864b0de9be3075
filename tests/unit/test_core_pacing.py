from __future__ import annotations

import pytest

from fleet import errors
from fleet.core import pacing
from fleet.core.pacing import Fail, Hold, Lost
from fleet.model.statuses import HoldReason
from tests.rig.fleets import seconds

WAITS = [
    pytest.param(errors.ThrottledError, HoldReason.THROTTLED, 10, id="throttled"),
    pytest.param(errors.ConflictError, HoldReason.CONFLICT, 30, id="conflict"),
    pytest.param(errors.TransientError, HoldReason.TRANSIENT, 10, id="transient"),
    pytest.param(errors.AuthError, HoldReason.IDENTITY, 10, id="nobody's token"),
]


@pytest.mark.parametrize("count", range(40))
def test_backoff_doubles_within_its_bounds(count: int) -> None:
    full = min(seconds(10 * 2**count), pacing.LONGEST_WAIT)

    assert pacing.backoff(count, jitter_ppm=0) == full / 2
    assert full / 2 < pacing.backoff(count, jitter_ppm=999_999) < full


@pytest.mark.parametrize(("error", "reason", "first"), WAITS)
def test_what_may_pass_is_waited_for(
    error: type[errors.RemoteError], reason: HoldReason, first: int
) -> None:
    hold = Hold(reason=reason, wait=seconds(first) / 2)

    assert pacing.after_write(error(), count=0, jitter_ppm=0) == hold
    assert pacing.after_read(error(), count=0, jitter_ppm=0) == hold


@pytest.mark.parametrize(("error", "reason", "first"), WAITS)
@pytest.mark.parametrize("wait_s", [0, 1, 37, 3600])
def test_retry_after_is_obeyed_to_the_second_whatever_carries_it(
    error: type[errors.RemoteError], reason: HoldReason, first: int, wait_s: int
) -> None:
    answer = error(retry_after_s=wait_s)
    hold = Hold(reason=reason, wait=seconds(wait_s))

    assert pacing.after_write(answer, count=9, jitter_ppm=999_999) == hold
    assert pacing.after_read(answer, count=9, jitter_ppm=999_999) == hold


@pytest.mark.parametrize("error", [errors.LostAnswerError, errors.UnexpectedPayloadError])
def test_a_write_without_a_readable_answer_is_looked_up_and_a_read_repeated(
    error: type[errors.RemoteError],
) -> None:
    assert pacing.after_write(error(), count=0, jitter_ppm=0) == Lost()
    assert pacing.after_read(error(), count=0, jitter_ppm=0) == Hold(
        reason=HoldReason.TRANSIENT, wait=seconds(5)
    )
    assert pacing.after_read(error(retry_after_s=70), count=0, jitter_ppm=0) == Hold(
        reason=HoldReason.TRANSIENT, wait=seconds(70)
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.RemoteError,
        errors.DeniedError,
        errors.LostClusterError,
        errors.OperationFailedError,
    ],
)
def test_what_does_not_pass_fails_at_once(error: type[errors.RemoteError]) -> None:
    assert pacing.after_write(error(), count=0, jitter_ppm=0) == Fail()
    assert pacing.after_read(error(), count=0, jitter_ppm=0) == Fail()


@pytest.mark.parametrize("count", [0, 3, 30])
@pytest.mark.parametrize(
    "error",
    [
        errors.RemoteError,
        errors.DeniedError,
        errors.LostClusterError,
        errors.UnexpectedPayloadError,
        errors.TransientError,
    ],
)
def test_whatever_keeps_a_write_that_is_out_from_being_looked_at_is_waited_for(
    error: type[errors.RemoteError], count: int
) -> None:
    full = min(seconds(10 * 2**count), pacing.LONGEST_WAIT)

    assert pacing.after_look(error(), count=count, jitter_ppm=0) == Hold(
        reason=HoldReason.TRANSIENT, wait=full / 2
    )
    assert pacing.after_look(error(retry_after_s=70), count=count, jitter_ppm=0).wait == seconds(70)


@pytest.mark.parametrize(("error", "reason", "first"), WAITS)
def test_what_asks_for_a_wait_of_its_own_gets_it_after_a_write_too(
    error: type[errors.RemoteError], reason: HoldReason, first: int
) -> None:
    assert pacing.after_look(error(), count=0, jitter_ppm=0) == Hold(
        reason=reason, wait=seconds(first) / 2
    )
