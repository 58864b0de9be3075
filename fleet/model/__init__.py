"""What everything else speaks about: frozen values, no behaviour beyond their own sums."""

from __future__ import annotations
