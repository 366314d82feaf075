"""The report, the comparison in it, and the picture."""

import xml.etree.ElementTree as ElementTree

from results import cell, constant, saturated, typical

from suite import compare, plot, report


def test_equal_results_do_not_differ():
    count, rows = compare.compare(typical(), typical())
    assert (count, rows) == (15, [])


def test_a_difference_counts_when_the_rounds_do_not_overlap():
    _, rows = compare.compare(typical(1.5), typical(3.0))
    assert [(row[0], row[2], round(row[3].median, 3), round(row[4].median, 3)) for row in rows] == [
        ("quotagate", "CPU added", 1.5, 3.0)]


def test_what_only_one_result_has_is_passed_over():
    before = typical()
    del before["cells"][0]["rounds"]["lua_redis"]
    del before["cells"][1]
    assert compare.compare(before, typical())[0] == 4


def test_another_machine_and_a_noisy_run_are_said():
    other = typical()
    other["machine"]["cpu"] = "Another CPU"
    assert "another machine" in compare.caution(other, typical())
    noisy = typical()
    noisy["noise"]["word"] = "noisy: do not compare small differences"
    assert "noisy" in compare.caution(typical(), noisy)
    short = {**typical(), "rounds": 2}
    assert "fewer than three rounds" in compare.caution(short, typical())
    assert compare.caution(typical(), typical()) is None


def test_the_report_says_everything():
    text = report.markdown(typical(), typical(3.0))
    for words in ("Noise: **quiet**", "| CPU added, c=64, pinned | <= 1.8 µs | 1.50 µs | reached",
                  "#### pinned, static, c=64", "| quotagate, embedded store | 8.00 (7.00 to 9.00) ",
                  "**1.50 (1.50 to 1.50)**", "#### pinned, static, 5,000 requests/s",
                  "Lua + Redis (overloaded)", "### Memory", "### More workers", "abc1234",
                  "| 3.00 (3.00 to 3.00) | 1.50 (1.50 to 1.50) |"):
        assert words in text
    assert "Wrong" not in text


def test_the_report_says_what_went_wrong_and_that_there_is_nothing_to_compare_with():
    result = typical()
    result["problems"] = ["plain answered 3 times with an error"]
    text = report.markdown(result, None)
    assert "**Wrong: plain answered 3 times with an error.**" in text
    assert "no earlier result" in text


def test_every_table_has_as_many_columns_in_each_row():
    width = None
    for line in report.markdown(typical(), typical(3.0)).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        width = width or line.count("|")
        assert line.count("|") == width, line


def _shapes(result):
    root = ElementTree.fromstring(plot.svg(result))
    names = [element.tag.split("}")[1] for element in root.iter()]
    return root, names


def test_the_picture_is_well_formed_and_has_a_bar_and_three_marks_for_each():
    root, names = _shapes(typical())
    assert names.count("rect") == 1 + 2  # the ground, and everybody but plain
    assert names.count("circle") == 2 * 3
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"1.5", "17.0", "c=64", "5,000 requests/s", "overloaded"} <= set(texts)


def test_the_picture_stays_within_its_bounds():
    result = typical()
    result["cells"] = [
        cell({"plain": [saturated(nginx=7.0)], "quotagate": [saturated(nginx=6.0, quotad=0.1)]}),
        *[cell({"plain": [constant(1, 2)], "quotagate": [constant(9e6, 1e7)]}, rate=rate)
          for rate in (5000, 20000)]]
    root, _ = _shapes(result)
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx", "width"):
            assert 0 <= float(element.get(key, 0)) <= plot.WIDTH


def test_a_result_of_plain_alone_can_be_drawn():
    result = typical()
    for found in result["cells"]:
        found["rounds"] = {"plain": found["rounds"]["plain"]}
    _, names = _shapes(result)
    assert names.count("circle") == 2
