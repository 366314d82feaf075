"""Strict schemas: of Kubernetes itself, and of the CRDs that modules of others bring along."""

import copy
import functools
import os
import pathlib

import jsonschema
import kubernetes_validate
import yaml

OLDEST = "1.29"
# What kubernetes-validate is made for; see requirements.txt.
NEWEST = "1.37"
OF_CRDS = {"monitoring.coreos.com": "QUOTA_CRDS_PROMETHEUS_OPERATOR", "keda.sh": "QUOTA_CRDS_KEDA"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Takes a plain `=` for a word, as YAML 1.2 does; the CRDs list it among operators."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def is_custom(document):
    return document["apiVersion"].split("/")[0] in OF_CRDS


def strict(schema):
    """A copy of a CRD's schema that JSON Schema understands, and that forbids unknown fields, which
    the API server would drop in silence."""
    if not isinstance(schema, dict):
        return schema
    out = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        out = {"type": ["integer", "string"]}
    if "properties" in out:
        out["properties"] = {name: strict(one) for name, one in out["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out.setdefault("additionalProperties", False)
    if isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = strict(out["additionalProperties"])
    if "items" in out:
        out["items"] = strict(out["items"])
    if out.pop("nullable", False) and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


@functools.cache
def _definition(api_version, kind):
    group, version = api_version.split("/")
    folder = pathlib.Path(os.environ[OF_CRDS[group]])
    for path in sorted(folder.glob(f"{group}_{kind.lower()}s.yaml")):
        definition = yaml.load(path.read_text(), Loader=_Loader)
        spec = definition["spec"]
        if spec["group"] == group and spec["names"]["kind"] == kind:
            for served in spec["versions"]:
                if served["name"] == version:
                    schema = strict(copy.deepcopy(served["schema"]["openAPIV3Schema"]))
                    # Of the API server, not of the CRD.
                    schema["properties"]["metadata"] = {"type": "object"}
                    return jsonschema.Draft202012Validator(schema)
    raise AssertionError(f"no CRD for {api_version} {kind} in {folder}")


def complaints(document, version):
    """What the schema of that Kubernetes says against a document."""
    name = f"{document['kind']} {document['metadata']['name']}"
    if is_custom(document):
        errors = _definition(document["apiVersion"], document["kind"]).iter_errors(document)
        return [f"{name}: {error.json_path}: {error.message}" for error in errors]
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{name}: {'.'.join(map(str, error.path))}: {error.message}"]
    return []
