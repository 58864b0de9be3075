"""The roles that come with fleet, for one who has nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.rig import charted
from tests.rig.charted import Objects
from tests.rig.realserver import USER

DEPLOY = Path(__file__).parents[2] / "deploy" / "kubernetes"


def granted(*files: str) -> Objects:
    """Return the roles of manifests, bound to the user who may do nothing else."""
    return {charted.place(one): one for name in files for one in _bound(DEPLOY / f"{name}.yaml")}


def _bound(file: Path) -> Iterator[dict[str, Any]]:
    for one in YAML(typ="safe").load_all(file.read_text()):
        if one["kind"].endswith("Binding"):
            subject = {"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}
            yield {**one, "subjects": [subject]}
        else:
            yield dict(one)
