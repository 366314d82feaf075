"""What building and running images share: the folder they lie in, and whether there can be any."""

import os
import pathlib

import pytest
import roots
from builder import REPO, Builder, Image, make_context

SUITE = os.environ.get("QUOTA_IMAGES_SUITE", "bookworm")
STORE = REPO / "build/images"


@pytest.fixture(scope="session", name="root_store")
def fixture_root_store():
    reason = roots.why_not()
    if reason:
        pytest.skip(reason)
    return roots.Roots(STORE)


@pytest.fixture(scope="session", name="builder")
def fixture_builder(root_store, tmp_path_factory):
    ccache = pathlib.Path(os.environ.get("CCACHE_DIR", REPO / "build/ccache"))
    ccache.mkdir(parents=True, exist_ok=True)
    context = make_context(tmp_path_factory.mktemp("context") / "context")
    debian = Image(root_store.base(SUITE))
    return Builder(root_store, context, {"debian": debian}, [(ccache, "/ccache", False)],
                   {"CCACHE_DIR": "/ccache", "CTEST_PARALLEL_LEVEL":
                    os.environ.get("CTEST_PARALLEL_LEVEL", str(os.cpu_count()))})
