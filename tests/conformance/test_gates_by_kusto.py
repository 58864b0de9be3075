"""The KQL of the canned gates, by Microsoft's own parser and binder of Kusto's language."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fleet.spec import gates
from tests.rig.node import Node

# Source: Azure Monitor's reference of the table InsightsMetrics.
TABLES: Mapping[str, Mapping[str, str]] = {
    "InsightsMetrics": {
        "TimeGenerated": "datetime",
        "Computer": "string",
        "Origin": "string",
        "Namespace": "string",
        "Name": "string",
        "Val": "real",
        "Tags": "string",
        "_ResourceId": "string",
    }
}


@pytest.mark.parametrize("name", gates.names())
def test_a_canned_gate_asks_for_one_column_of_numbers(name: str, node: Node) -> None:
    query = gates.keys(name, "logAnalytics")["query"].replace("${clusters}", "'a', 'b'")

    found = node.ask("query", text=query, tables=TABLES)

    assert found == {"columns": "(value: real)", "complaints": []}
