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


@pytest.fixture(name="say")
def fixture_say(record_property, request):
    """Prints what a test has measured (pytest -s shows it), and puts it into its report."""
    def say(**figures):
        for name, value in figures.items():
            record_property(name, value)
        print(f"\n{request.node.name}: " + ", ".join(
            f"{name.replace('_', ' ')} {value:,.1f}" if isinstance(value, float) else
            f"{name.replace('_', ' ')} {value}" for name, value in figures.items()))
    return say


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails shows the ends of the logs of what it ran."""
    report = (yield).get_result()
    if call.when == "call" and report.failed and hasattr(item, "stack"):
        for name, text in item.stack.logs().items():
            report.sections.append((name, "\n".join(text.splitlines()[-60:])))
