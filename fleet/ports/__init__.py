"""What the engine asks of the world, as protocols. Adapters implement them; nobody inherits.

The same protocols are spoken by the simulator, by Azure and by fakes in tests.
A method raises an error of :mod:`fleet.errors` and nothing else: vendor errors
are translated where they are first seen.
"""

from __future__ import annotations

from fleet.ports.beside import (
    Conflict as Conflict,
    LockHolder as LockHolder,
    LockKey as LockKey,
    Locks as Locks,
    Pools as Pools,
    Release as Release,
    Taking as Taking,
    Upkeep as Upkeep,
)
from fleet.ports.clock import (
    Clock as Clock,
)
from fleet.ports.inside import (
    ClusterApi as ClusterApi,
    Clusters as Clusters,
)
from fleet.ports.journal import (
    Batch as Batch,
    Journal as Journal,
    JournalReader as JournalReader,
    JournalStore as JournalStore,
    OperationKey as OperationKey,
    Request as Request,
    StoredRecord as StoredRecord,
)
from fleet.ports.outside import (
    About as About,
    Messenger as Messenger,
    Pause as Pause,
    Probes as Probes,
)
from fleet.ports.service import (
    Accepted as Accepted,
    Discovery as Discovery,
    ExtensionRef as ExtensionRef,
    Extensions as Extensions,
    Health as Health,
    OperationStatus as OperationStatus,
    RequestIds as RequestIds,
    Service as Service,
    Unwell as Unwell,
    Write as Write,
)
