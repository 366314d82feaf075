"""Fixtures of the tests that run the scripts against a fake cluster."""

import pytest

from cluster import FakeCluster


@pytest.fixture(name="cluster")
def fixture_cluster(tmp_path):
    """Whatever a test does, no secret may be seen, and no temporary file may be left."""
    cluster = FakeCluster(tmp_path)
    yield cluster
    cluster.assert_no_secret_was_shown()
    assert not list(tmp_path.glob("quotagate.*"))
