"""Fixtures of the tests that run the scripts against a fake cluster."""

import json

import pytest

from cluster import FakeCluster


@pytest.fixture(name="cluster")
def fixture_cluster(tmp_path):
    """Whatever a test does, no secret may be seen, and no temporary file may be left."""
    cluster = FakeCluster(tmp_path)
    yield cluster
    cluster.assert_no_secret_was_shown()
    assert not list(tmp_path.glob("quotagate.*"))


@pytest.fixture(name="deployed_state", scope="session")
def fixture_deployed_state(tmp_path_factory):
    """What the cluster is like after a deployment, made once."""
    cluster = FakeCluster(tmp_path_factory.mktemp("deployed"))
    cluster.deployed()
    return json.dumps(cluster.load())


@pytest.fixture(name="running")
def fixture_running(cluster, deployed_state):
    """A cluster to which the overlay `full` has been deployed: three gateways."""
    cluster.save(json.loads(deployed_state))
    return cluster
