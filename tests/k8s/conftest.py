"""Each base and overlay is rendered once; tests that change it take a copy."""

import pathlib
import sys

import pytest

# Processes and waiting are those of the e2e tests.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from manifests import render  # noqa: E402
from manifests.world import World  # noqa: E402


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
