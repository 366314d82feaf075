import pytest
from results import cell, constant, saturated, typical

from suite import figures


def test_a_spread_is_the_median_between_the_lowest_and_the_highest():
    spread = figures.Spread([3.0, 1.0, 10.0, 2.0])
    assert (spread.low, spread.median, spread.high) == (1.0, 2.5, 10.0)
    assert spread.text() == "2.50 (1.00 to 10.00)"


def test_a_single_round_has_no_spread():
    assert figures.Spread([1234.5]).text(0) == "1,234"


def test_what_is_added_is_compared_round_by_round():
    # By the medians of both it would be 1 as well, but between -1 and 3.
    added = figures.added_cpu(typical(1.0)["cells"][0], "quotagate")
    assert (added.low, added.median, added.high) == pytest.approx((1, 1, 1))


def test_the_upstream_is_in_nobodys_cpu():
    one = {"plain": [saturated(nginx=9.0, upstream=7.0)],
           "auth_request": [saturated(**{"nginx": 18.0, "auth server": 6.0, "upstream": 8.0})]}
    found = cell(one, handler="proxied")
    assert figures.cpu(found, "plain").median == 9
    assert figures.added_cpu(found, "auth_request").median == 15


def test_requests_are_compared_with_plains():
    assert figures.rate_ratio(typical()["cells"][0], "quotagate").median == pytest.approx(0.8)


def test_added_latency_is_paired_too():
    rounds = {"plain": [constant(10, 20), constant(100, 200)],
              "quotagate": [constant(15, 28), constant(105, 208)]}
    added = figures.added_latency(cell(rounds, rate=5000), "quotagate", "p99_us")
    assert added.values == [8, 8]


def test_a_role_that_a_contender_lacks_has_no_figure():
    assert figures.role_cpu(typical()["cells"][0], "plain", "quotad") is None


def test_too_few_answers_are_an_overload():
    found = typical()["cells"][1]
    assert figures.is_overloaded(found, "lua_redis")
    assert not figures.is_overloaded(found, "quotagate")


def test_find_takes_the_cell_at_saturation_unless_a_rate_is_named():
    cells = typical()["cells"]
    assert figures.find(cells, placement="pinned") is cells[0]
    assert figures.find(cells, placement="pinned", rate=5000) is cells[1]
    assert figures.find(cells, placement="free") is None


@pytest.mark.parametrize("values,word", [
    ([7.0, 7.1, 7.2], "quiet"), ([7.0, 7.3, 7.6], "noisy:"), ([7.0, 8.0, 9.0], "very noisy:"),
    ([7.0, 7.0], "unknown:")])
def test_noise_is_how_far_plains_rounds_lie_apart(values, word):
    cells = [cell({"plain": [saturated(nginx=value) for value in values]})]
    assert figures.noise(cells)["word"].startswith(word)


def test_noise_of_requests_counts_as_much_as_that_of_cpu():
    cells = [cell({"plain": [saturated(rate, nginx=7.0) for rate in (90_000, 100_000, 110_000)]})]
    assert figures.noise(cells)["typical"] == pytest.approx(0.2)
