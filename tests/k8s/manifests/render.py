"""What is rendered: every base and overlay, and what components make of them."""

import os
import pathlib
import subprocess

import yaml

REPO = pathlib.Path(__file__).resolve().parents[3]
K8S = REPO / "k8s"

# Directories as they are.
DIRECTORIES = ["api-gateway", "api-gateway-dbless", "nginx-gateway",
               "overlays/development", "overlays/staging", "overlays/production"]

# Name -> a base and the components that are laid over it, as a user would.
COMPOSED = {
    "production-keda": ("overlays/production", ["keda/kong"]),
    "dbless-monitored": ("api-gateway-dbless", ["monitoring/kong"]),
    "nginx-monitored": ("nginx-gateway", ["monitoring/nginx-gateway"]),
    "nginx-keda": ("nginx-gateway", ["monitoring/nginx-gateway", "keda/nginx-gateway"]),
}

ALL = DIRECTORIES + list(COMPOSED)


def kustomize(directory):
    done = subprocess.run([os.environ["QUOTA_KUSTOMIZE"], "build", str(directory)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{directory}: {done.stderr}"
    # Fields that kustomize is about to forget, and the like.
    assert not done.stderr, f"{directory}: {done.stderr}"
    return done.stdout


def composed(into, base, components):
    """Writes a kustomization of a base and components into a directory, and renders it. kustomize
    wants relative paths."""
    def relative(path):
        return os.path.relpath(K8S / path, into)
    text = yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": "api-gateway", "resources": [relative(base)],
        "components": [relative(component) for component in components]})
    (into / "kustomization.yaml").write_text(text)
    return kustomize(into)


def render(name, into):
    if name in COMPOSED:
        base, components = COMPOSED[name]
        return composed(into, base, components)
    return kustomize(K8S / name)
