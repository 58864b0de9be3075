"""What holds for every test: nothing of this machine's settings, and no task left behind."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
from typing import Any

import pytest

from tests.rig import recording, reference

_SETTINGS = ("FLEET_", "AZURE_")


def pytest_configure() -> None:
    """Forget what this machine is set to: a test says itself what it needs."""
    # NB: a job in the background ignores these, and whoever is started from it inherits that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        del os.environ[name]
    reference.require()
    recording.begin()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let tests that are coroutines fail when tasks of theirs outlive them."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _leaving_nothing(item.obj)


def _leaving_nothing(test: Any) -> Any:
    @functools.wraps(test)
    async def watched(*args: Any, **kwargs: Any) -> None:
        others = asyncio.all_tasks()
        await test(*args, **kwargs)
        left = sorted(task.get_name() for task in asyncio.all_tasks() - others)
        assert not left, f"tasks that outlived the test: {', '.join(left)}"

    return watched
