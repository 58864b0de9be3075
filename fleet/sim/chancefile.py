"""``faults:`` of world files: how often what goes wrong, everywhere or with one cluster."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from fleet.sim.quantities import WHOLE_PPM, Count, Share, SpanPart
from fleet.sim.recipe import Faults
from fleet.spec import explanation
from fleet.spec.explanation import FileModel


class FaultsPart(FileModel):
    """``faults:``, each a share; of requests and of operations at most one hits each."""

    throttled: Share = 0
    transient_error: Share = 0
    reset_before: Share = 0
    reset_after: Share = 0
    conflict: Share = 0
    retry_after_seconds: Count = 10
    operation_fails: Share = 0
    stuck_operation: Share = 0
    silent_failure: Share = 0
    offline_midway: Share = 0
    late_read: Share = 0
    late_read_seconds: SpanPart = SpanPart(min=5, max=30)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        of_requests = (
            self.throttled,
            self.transient_error,
            self.reset_before,
            self.reset_after,
            self.conflict,
        )
        of_operations = (
            self.operation_fails,
            self.stuck_operation,
            self.silent_failure,
            self.offline_midway,
        )
        if max(sum(of_requests), sum(of_operations)) > WHOLE_PPM:
            message = "the shares of requests, and those of operations, add up to 100% at most"
            raise explanation.refusal(message)
        return self

    def faults(self) -> Faults:
        """Return them as the recipe has them."""
        return Faults(
            throttled_ppm=self.throttled,
            transient_error_ppm=self.transient_error,
            reset_before_ppm=self.reset_before,
            reset_after_ppm=self.reset_after,
            conflict_ppm=self.conflict,
            retry_after_s=self.retry_after_seconds,
            operation_fails_ppm=self.operation_fails,
            stuck_operation_ppm=self.stuck_operation,
            silent_failure_ppm=self.silent_failure,
            offline_midway_ppm=self.offline_midway,
            late_read_ppm=self.late_read,
            late_read_s=self.late_read_seconds.span(),
        )
