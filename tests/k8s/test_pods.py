"""Every pod and container is locked down, bounded and probed; the profile is enforced as well."""

import pytest

from manifests import hardening, render


def test_every_pod_is_locked_down_bounded_and_probed(world):
    found = list(hardening.complaints(world))
    assert not found, "\n".join(found)


def spoilt(world):
    """(what, world) with one protection of one container or pod taken away."""
    for index, one in enumerate(world.objects):
        if one["kind"] not in ("Deployment", "StatefulSet", "Job"):
            continue
        for path in _protections(one["spec"]["template"]["spec"]):
            changed = world.copy()
            node = changed.objects[index]["spec"]["template"]["spec"]
            for key in path[:-1]:
                node = node[key]
            del node[path[-1]]
            yield f"{one['metadata']['name']} without {path}", changed


def _protections(spec):
    yield from (("automountServiceAccountToken",), ("enableServiceLinks",),
                ("securityContext", "runAsNonRoot"), ("securityContext", "seccompProfile"))
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group, [])):
            base = (group, index)
            for field in ("readOnlyRootFilesystem", "allowPrivilegeEscalation", "capabilities"):
                yield base + ("securityContext", field)
            for kind in ("requests", "limits"):
                yield from (base + ("resources", kind, what) for what in container["resources"][kind])
            yield from (base + (probe,) for probe in
                        ("startupProbe", "livenessProbe", "readinessProbe") if probe in container)


@pytest.mark.parametrize("name", ["overlays/production", "nginx-gateway"])
def test_each_protection_that_is_taken_away_is_missed(worlds, name):
    variants = list(spoilt(worlds[name]))
    assert len(variants) > 50
    silent = [what for what, changed in variants if not list(hardening.complaints(changed))]
    assert not silent, silent


def test_resources_have_reasons():
    """A comment stands in each block of requests and limits."""
    without = []
    for path in sorted(render.K8S.rglob("*.yaml")):
        if path.name == "kustomization.yaml":
            continue  # where `resources` are files
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.strip() == "resources:" and not any(
                    "#" in other for other in lines[number:number + 8]):
                without.append(f"{path.relative_to(render.REPO)}:{number + 1}")
    assert not without, without
