"""What quotagate promises to whoever tries it: the checks of scripts/quickstart.sh --check."""

import sys

import pytest

from harness.environment import REPO
from harness.nginx import CHECKED

sys.path.insert(0, str(REPO / "scripts" / "demo"))
import acceptance  # noqa: E402  pylint: disable=wrong-import-position


@pytest.mark.parametrize("check", [check for _, check in acceptance.CHECKS],
                         ids=[name for name, _ in acceptance.CHECKS])
def test_a_new_gateway_answers_as_promised(stack, check):
    demo = (REPO / "scripts" / "demo" / "policy.yaml").read_text()
    quotad = stack.quotad(acceptance.policy_with_consumers(demo))
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=quotad)

    result = check(acceptance.Gateway(nginx.url))

    assert result.passed, f"expected {result.expected}, seen {result.seen}"
