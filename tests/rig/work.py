"""How much is done, as calls: they are the same on every machine, and times are not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FrameType, ModuleType
from typing import Any


def calls_of(
    work: Callable[[], object],
    *,
    only: Iterable[Callable[..., Any]] = (),
    modules: Iterable[ModuleType] = (),
) -> int:
    """Count the calls of *work*.

    Args:
        work: What to do.
        only: Functions in Python that count; with neither these nor modules all calls do, those of
            C as well.
        modules: Those whose every function counts.
    """
    codes = {one.__code__ for one in only}
    files = {one.__file__ for one in modules}
    is_any = not (codes or files)
    count = 0

    def note(frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        code = frame.f_code
        is_meant = is_any or code in codes or code.co_filename in files
        count += is_meant and (event == "call" or (is_any and event == "c_call"))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
