"""The simulated service over HTTP: a control plane that speaks Azure's protocol.

It answers out of the same world as the ports (:mod:`fleet.sim.ports`), so one
run over either meets the same fleet and the same luck. What is known of the
wire was read from recordings and specifications, and not from our own client:
the two are tried on each other, and must be right independently.
"""

from __future__ import annotations
