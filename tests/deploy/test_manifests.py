"""deploy.sh with the overlays of k8s/, rendered by a real kubectl where there is one: every object
finds its step, and the scripts find every name that they rely on."""

import os
import re
import shutil
import subprocess

import pytest

from cluster import REPO


def real_kubectl():
    """kubectl from 1.21, which Debian has not got: its kustomize knows Components."""
    found = shutil.which("kubectl", path=os.environ.get("PATH", "") + ":/usr/local/bin")
    if not found:
        return None
    said = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True,
                          text=True, check=False).stdout
    minor = re.search(r'"minor": "(\d+)', said)
    return found if minor and int(minor[1]) >= 21 else None


KUBECTL = real_kubectl()
pytestmark = [
    pytest.mark.skipif(not KUBECTL, reason="there is no kubectl from 1.21 to render them"),
    pytest.mark.skipif(not (REPO / "k8s" / "overlays").is_dir(), reason="there are no overlays")]

OVERLAYS = {
    "k8s/overlays/development": ["kong-migrations", "kong-config"],
    "k8s/overlays/staging": ["kong-migrations", "kong-config"],
    "k8s/overlays/production": ["kong-migrations", "kong-config"],
    "k8s/api-gateway-dbless": [],
    "k8s/nginx-gateway": [],
}


def deploy(cluster, overlay, *words):
    for name, key in (("nginx-gateway-tls", "tls.crt"), ("quota-jwt", "jwt.key")):
        cluster.put("Secret", name, data={key: "eA=="})
    return cluster.run("deploy.sh", "--overlay", str(REPO / overlay), *words,
                       environment={"FAKE_REAL_KUBECTL": KUBECTL})


@pytest.mark.parametrize("overlay, jobs", OVERLAYS.items())
def test_it_is_deployed_and_a_second_run_changes_nothing(cluster, overlay, jobs):
    done = deploy(cluster, overlay, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.load()["job_runs"] == jobs
    assert cluster.gateways()
    assert "The gateway: curl" in done.stdout
    gateways = cluster.gateways()
    again = deploy(cluster, overlay, "--yes")
    assert again.returncode == 0, again.stderr
    assert "created" not in again.stdout and "configured" not in again.stdout
    assert cluster.gateways() == gateways


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_dry_run_changes_nothing(cluster, overlay):
    done = deploy(cluster, overlay, "--dry-run", "--namespace", "elsewhere")
    assert done.returncode == 0, done.stderr
    assert cluster.changes() == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_object_is_left_out(cluster, overlay):
    assert deploy(cluster, overlay, "--yes").returncode == 0
    rendered = subprocess.run([KUBECTL, "kustomize", str(REPO / overlay)], capture_output=True,
                              text=True, check=True).stdout
    import yaml
    for thing in yaml.safe_load_all(rendered):
        assert cluster.get(thing["kind"], thing["metadata"]["name"]), thing["metadata"]["name"]


def test_production_can_be_rolled_back(cluster):
    overlay = cluster.directory / "overlay"
    overlay.mkdir()
    base = os.path.relpath(REPO / "k8s/overlays/production", overlay)
    (overlay / "kustomization.yaml").write_text(f"resources: ['{base}']\n")
    assert deploy(cluster, overlay, "--yes").returncode == 0
    before = cluster.gateways()
    (overlay / "kustomization.yaml").write_text(
        f"resources: ['{base}']\nimages: [{{name: quotagate/quotad, newTag: 0.2.0}}]\n")
    assert deploy(cluster, overlay, "--yes").returncode == 0
    assert cluster.gateways() != before
    done = cluster.run("rollback.sh", "--yes")
    assert done.returncode == 0, done.stderr
    assert cluster.gateways() == before
