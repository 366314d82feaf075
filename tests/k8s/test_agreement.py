"""Names, selectors, ports, keys and paths agree across files, and each of them is looked at."""

import pytest

from manifests import agreement, availability, hardening, kong, monitoring, network
from manifests.mutants import mutants

# Those that take longest come last.
CHECKS = [agreement, hardening, availability, kong, monitoring, network]


def first_complaint(world):
    for module in CHECKS:
        for complaint in module.complaints(world):
            return complaint
    return None


def notices(world):
    """A world in which a check finds nothing to look at is noticed as well."""
    try:
        return first_complaint(world) is not None
    except (KeyError, StopIteration, TypeError, AttributeError, ValueError):
        return True


def test_everything_that_is_named_is_there(world):
    found = agreement.complaints(world)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["overlays/development", "production-keda",
                                  "dbless-monitored", "nginx-monitored"])
def test_each_single_thing_that_is_deleted_or_renamed_is_noticed(worlds, name):
    assert first_complaint(worlds[name]) is None
    tried, silent = 0, []
    for what, world in mutants(worlds[name]):
        tried += 1
        if not notices(world):
            silent.append(what)
    assert not silent, "\n".join(silent)
    assert tried > 300
