"""Fixtures of the end-to-end tests."""

import pytest

from harness.stack import Stack


@pytest.fixture(name="stack")
def fixture_stack(request):
    """Starts processes for one test. Their end is part of the test: see Stack.close()."""
    stack = Stack()
    request.node.stack = stack
    yield stack
    try:
        stack.close()
    finally:
        stack.kill()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails shows the ends of the logs of what it ran."""
    report = (yield).get_result()
    if call.when == "call" and report.failed and hasattr(item, "stack"):
        for name, text in item.stack.logs().items():
            report.sections.append((name, "\n".join(text.splitlines()[-60:])))
