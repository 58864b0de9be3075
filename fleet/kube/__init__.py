"""Clusters' own API servers: the ways in, and the requests there.

Nothing is kept of a cluster between two visits but what an exec plugin gave for
the while that it said. kubernetes_asyncio loads credentials and sends requests;
answers are read as JSON, without its models.

NB: importing its modules takes half a second and 40 MB: only what opens clusters does.
"""

from __future__ import annotations
