"""Where each cloud keeps logs and metrics, and whom tokens for them are meant for.

Pure. A place that is no known cloud has none: nobody named an audience there,
so no token is asked for.

Source:  the Azure CLI's and Grafana's tables of clouds; both agree on these hosts.
"""

from __future__ import annotations

import dataclasses

from yarl import URL

from fleet.azure.clouds import Place


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Azure Monitor, as one cloud has it."""

    logs_url: str
    """Of Log Analytics: scheme, host and port; no slash at the end."""
    logs_audience: str
    metrics_suffix: str
    """What the host of every managed Prometheus ends with."""
    metrics_audience: str
    place: Place

    def is_metrics(self, url: str) -> bool:
        """Tell whether *url* is a managed Prometheus of this cloud, and so may see a token."""
        if self.place.is_loopback:
            return self.place.is_at(_origin(url))
        try:
            found = URL(url, encoded=True)
            host, port = (found.host or "").lower(), found.port
        except ValueError:
            return False
        has_user = found.user is not None or found.password is not None
        return (
            found.scheme == "https"
            and port == _HTTPS
            and not has_user
            and host.endswith(self.metrics_suffix)
        )


_HTTPS = 443
_LOGS = {
    "AzureCloud": "https://api.loganalytics.io",
    "AzureUSGovernment": "https://api.loganalytics.us",
    "AzureChinaCloud": "https://api.loganalytics.azure.cn",
}
_METRICS = {
    "AzureCloud": "prometheus.monitor.azure.com",
    "AzureUSGovernment": "prometheus.monitor.azure.us",
    "AzureChinaCloud": "prometheus.monitor.azure.cn",
}


def monitor(place: Place) -> Monitor | None:
    """Return what is known of *place*; ``None`` for a cloud that nobody named."""
    if place.is_loopback:
        # A simulator answers for all of them, and takes its own tokens.
        audience = place.audience or place.url
        return Monitor(
            logs_url=place.url,
            logs_audience=audience,
            metrics_suffix="",
            metrics_audience=audience,
            place=place,
        )
    logs, metrics = _LOGS.get(place.cloud), _METRICS.get(place.cloud)
    if logs is None or metrics is None:
        return None
    return Monitor(
        logs_url=logs,
        logs_audience=logs,
        metrics_suffix=f".{metrics}",
        metrics_audience=f"https://{metrics}",
        place=place,
    )


def _origin(url: str) -> str:
    try:
        found = URL(url, encoded=True)
        # NB: a user in it must stay: whoever judges refuses it.
        return str(found.with_path("").with_query(None).with_fragment(None))
    except ValueError:
        return ""
