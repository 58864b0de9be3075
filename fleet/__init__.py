"""Staged, audited rollouts of Azure Arc cluster extensions."""

from __future__ import annotations

__version__: str
"""Looked up when it is asked for: most commands never do."""


def __getattr__(name: str) -> str:
    if name != "__version__":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("arc-fleet")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"
