"""A fleet that exists nowhere: clusters, extensions and a service that ages and misbehaves.

It may not know :mod:`fleet.azure`, nor the reverse: a shared reading of the
service would hide a shared mistake.
"""

from __future__ import annotations
