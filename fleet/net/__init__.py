"""Ways to other machines: proxies, authorities to trust, limits, connections."""

from __future__ import annotations
