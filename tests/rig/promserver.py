"""A real Prometheus with series made by hand: written as blocks before it starts, never scraped.

Where no binary is found tests skip; ``make test-prometheus`` fetches one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

VARIABLE = "PROMETHEUS_BIN"
"""A folder with ``prometheus`` and ``promtool``."""
EVERY_S = 15
"""Between two samples."""
_LIMIT_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Samples that end now, one each :data:`EVERY_S`."""

    name: str
    labels: Mapping[str, str]
    values: Sequence[float]


def counter(growths: Sequence[float], *, resets: Sequence[int] = ()) -> list[float]:
    """Return a counter's values; it begins anew before the growths at *resets* are added."""
    values, value = [0.0], 0.0
    for place, growth in enumerate(growths):
        value = growth if place in resets else value + growth
        values.append(value)
    return values


def binary(name: str) -> str:
    """Return the path of a program of Prometheus'; skip where there is none."""
    folder = os.environ.get(VARIABLE)
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: make test-prometheus fetches it where it can")
    return found


@contextlib.contextmanager
def serving(folder: Path, series: Sequence[Series]) -> Iterator[str]:
    """Serve *series* on a port of this machine, and yield the server's URL."""
    data, config, log = folder / "data", folder / "prometheus.yml", folder / "log"
    config.write_text("{}\n")
    _write(folder / "series.txt", series, data)
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                binary("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.kill()
        process.wait()


def _write(text: Path, series: Sequence[Series], data: Path) -> None:
    now = int(time.time())  # noqa: TID251 - the server goes by this machine's clock
    lines = [
        f"{one.name}{{{_labels(one.labels)}}} {value:g} {now - EVERY_S * age}"
        for one in sorted(series, key=lambda one: one.name)
        for age, value in zip(reversed(range(len(one.values))), one.values, strict=True)
    ]
    text.write_text("\n".join([*lines, "# EOF", ""]))
    subprocess.run(
        [binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, data],
        check=True,
        capture_output=True,
        timeout=_LIMIT_S,
    )


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + _LIMIT_S
    while time.monotonic() < ends_at and process.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer,  # noqa: S310
        ):
            if answer.status == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"Prometheus did not get ready:\n{log.read_text()[-2000:]}")
