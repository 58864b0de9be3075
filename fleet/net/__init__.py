"""Ways to others: proxies, authorities to trust, limits, connections; and programs that are run."""

from __future__ import annotations
