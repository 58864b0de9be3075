"""Everything that is ever written to a journal.

An event says what has happened; its fields never change once a release wrote
them. A changed event gets ``v + 1``, and :data:`fleet.model.records.UPCASTS`
learns to lift the old fields. Targets are numbers: their place in the plan that
the journal opens with. Commands and views are derived from events, never stored.

Units:   ``at`` is the moment the event was decided or observed, by the run's clock.
"""

from __future__ import annotations

from fleet.model.events.actors import Actor as Actor
from fleet.model.events.judgements import (
    ApprovalGiven as ApprovalGiven,
    GateEnded as GateEnded,
    GateMeasured as GateMeasured,
    GatesEntered as GatesEntered,
    GateSkipped as GateSkipped,
    JudgementEvent as JudgementEvent,
    RunWaiting as RunWaiting,
    RunWoken as RunWoken,
    WaveObserved as WaveObserved,
    WindowClosed as WindowClosed,
    WindowOpened as WindowOpened,
    WindowOverridden as WindowOverridden,
)
from fleet.model.events.runs import (
    JoinedGroup as JoinedGroup,
    RequestRefused as RequestRefused,
    RunCreated as RunCreated,
    RunEvent as RunEvent,
    RunFinished as RunFinished,
    RunPaused as RunPaused,
    RunPausing as RunPausing,
    RunPlanned as RunPlanned,
    RunResumed as RunResumed,
    RunRollingBack as RunRollingBack,
    RunStarted as RunStarted,
    RunStopping as RunStopping,
    RunSurveyed as RunSurveyed,
    RunTaken as RunTaken,
    TargetsListed as TargetsListed,
)
from fleet.model.events.targets import (
    OperationEnded as OperationEnded,
    StepAccepted as StepAccepted,
    StepChecked as StepChecked,
    StepFailed as StepFailed,
    StepHeld as StepHeld,
    StepIntended as StepIntended,
    StepLost as StepLost,
    StepProved as StepProved,
    StepUnknown as StepUnknown,
    TargetEvent as TargetEvent,
    TargetFinished as TargetFinished,
    TargetObserved as TargetObserved,
    TargetPutOff as TargetPutOff,
    TargetReplanned as TargetReplanned,
    TargetRetried as TargetRetried,
    TargetReturned as TargetReturned,
    TargetSkipped as TargetSkipped,
    TargetSoaking as TargetSoaking,
    TargetStalled as TargetStalled,
    TargetStarted as TargetStarted,
)
from fleet.model.events.waves import (
    BudgetBreached as BudgetBreached,
    Member as Member,
    SoakSkipped as SoakSkipped,
    WaveAdded as WaveAdded,
    WaveClosed as WaveClosed,
    WaveEvent as WaveEvent,
    WaveExtended as WaveExtended,
    WaveOpened as WaveOpened,
    WaveOverdue as WaveOverdue,
    WaveSkipped as WaveSkipped,
    WaveSoaking as WaveSoaking,
)

Event = RunEvent | WaveEvent | JudgementEvent | TargetEvent
