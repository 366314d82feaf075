"""Everything is what Kubernetes takes, in its oldest and its newest version that this is for."""

import copy
import json
import os

import pytest
import yaml

from manifests import render, schemas
from manifests.world import NAMESPACE

CLUSTER_WIDE = {"Namespace"}


@pytest.mark.parametrize("version", [schemas.OLDEST, schemas.NEWEST])
def test_no_field_is_unknown_and_none_has_a_wrong_type(world, version):
    found = [one for document in world.objects for one in schemas.complaints(document, version)]
    assert not found, "\n".join(found)


def fields(node, path=()):
    """Paths of all objects within a document that are not maps of free names."""
    if isinstance(node, dict):
        if path and path[-1] not in FREE:
            yield path
        for key, value in node.items():
            if key not in FREE:
                yield from fields(value, path + (key,))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from fields(value, path + (index,))


# Maps whose keys the user chooses, and what no schema looks into.
FREE = {"labels", "annotations", "matchLabels", "data", "stringData", "requests", "limits",
        "metadata"}


@pytest.mark.parametrize("name", ["production-keda", "nginx-keda"])
@pytest.mark.parametrize("version", [schemas.OLDEST, schemas.NEWEST])
def test_a_field_too_many_is_seen_wherever_it_stands(worlds, name, version):
    kinds = set()
    missed = []
    for document in worlds[name].objects:
        if document["kind"] in kinds:
            continue
        kinds.add(document["kind"])
        for path in fields(document):
            if (document["kind"], path) == ("Service", ("spec", "selector")):
                continue  # labels, by another name
            changed = copy.deepcopy(document)
            node = changed
            for key in path:
                node = node[key]
            node["notAField"] = "x"
            if not schemas.complaints(changed, version):
                missed.append(f"{document['kind']}: {path}")
    assert not missed, missed
    assert {"Deployment", "StatefulSet", "NetworkPolicy", "ScaledObject"} <= kinds


def test_all_is_in_the_one_namespace(world):
    elsewhere = [(one["kind"], one["metadata"]["name"]) for one in world.objects
                 if one["kind"] not in CLUSTER_WIDE
                 and one["metadata"].get("namespace") != NAMESPACE]
    assert not elsewhere


def test_all_can_be_moved_to_another_namespace(tmp_path):
    """As scripts/deploy.sh --namespace does it: no name in it says which namespace it is in."""
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({
        "namespace": "elsewhere",
        "resources": [os.path.relpath(render.K8S / "overlays/production", tmp_path)]}))
    for document in yaml.safe_load_all(render.kustomize(tmp_path)):
        metadata = document["metadata"]
        where = "name" if document["kind"] == "Namespace" else "namespace"
        assert metadata[where] == "elsewhere", metadata
        assert "api-gateway.svc" not in yaml.safe_dump(document), metadata


def test_objects_are_small_enough_for_kubectl_apply(world):
    """It keeps what it has applied in an annotation, and annotations take 256 KiB."""
    for document in world.objects:
        assert len(json.dumps(json.dumps(document))) < 256 * 1024, document["metadata"]["name"]
