"""The official schemas as JSON schemas: Kubernetes' own API description and the operator's resource definitions."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from stack.cache import cache_folder, kept
from stack.programs import KUBECONFORM
from stack.recipes import make

_NUMBER_OR_TEXT = {"oneOf": [{"type": "string"}, {"type": "number"}]}
_REF = "#/definitions/"


def kubeconform() -> Path:
    """The folder of the program and the schemas."""
    folder = cache_folder()
    return kept(folder, KUBECONFORM.key, partial(make, KUBECONFORM, folder))


@cache
def _kubernetes() -> dict[str, Any]:
    return json.loads((kubeconform() / "kubernetes.json").read_text())["definitions"]


def write(folder: Path, kinds: set[tuple[str, str]]) -> None:
    """Write the schema of each kind, closed: no field that is not known.

    Parameters:
        folder: Where to.
        kinds: apiVersion and kind.
    """
    for api, kind in kinds:
        group, _, version = api.rpartition("/")
        schema = _of_operator(group, version, kind) or _of_kubernetes(group, version, kind)
        (folder / f"{kind.lower()}-{version}.json").write_text(json.dumps(_closed(schema)))


def _of_operator(group: str, version: str, kind: str) -> dict[str, Any] | None:
    path = kubeconform() / f"{group}_{kind.lower()}{'es' if kind.endswith('s') else 's'}.yaml"
    if not path.exists():
        return None
    versions = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"]
    (found,) = (one["schema"]["openAPIV3Schema"] for one in versions if one["name"] == version)
    found["properties"]["metadata"] = {"$ref": f"{_REF}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    return found


def _of_kubernetes(group: str, version: str, kind: str) -> dict[str, Any]:
    wanted = {"group": group, "version": version, "kind": kind}
    (found,) = (one for one in _kubernetes().values() if wanted in one.get("x-kubernetes-group-version-kind", ()))
    return found


def _closed(schema: Any) -> Any:
    """Without references, extensions and formats that only Kubernetes knows."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.removeprefix(_REF)
        return _NUMBER_OR_TEXT if name.endswith(".Quantity") else _closed(_kubernetes()[name])
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return _NUMBER_OR_TEXT
    left_out = {"description", "format", "default", "properties"}
    found = {key: _closed(value) for key, value in schema.items() if key not in left_out}
    if "properties" in schema:
        # A property may have the name of a keyword.
        found["properties"] = {key: _closed(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    return found
