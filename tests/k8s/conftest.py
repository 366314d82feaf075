"""Each base and overlay is rendered once; tests that change it take a copy."""

import pytest

from manifests import render
from manifests.world import World


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Name -> what kustomize makes of it."""
    return {name: render.render(name, tmp_path_factory.mktemp(name.replace("/", "-")))
            for name in render.ALL}


@pytest.fixture(scope="session")
def worlds(rendered):
    return {name: World.of(text) for name, text in rendered.items()}


@pytest.fixture(params=render.ALL)
def world(request, worlds):
    return worlds[request.param]
