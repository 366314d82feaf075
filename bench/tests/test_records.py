import json

import pytest
from results import typical

from suite import records


def test_a_result_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(records.dumps(typical()))
    assert records.read(path) == typical()


def test_each_cell_has_a_line_and_figures_no_more_digits_than_they_deserve():
    result = typical()
    result["cells"][0]["rounds"]["plain"][0]["requests_s"] = 123.4567891
    text = records.dumps(result)
    assert "123.457" in text
    assert sum(line.startswith('  {"placement"') for line in text.splitlines()) == 2
    json.loads(text)


def test_no_file_is_no_result(tmp_path):
    assert records.read(tmp_path / "none.json") is None


@pytest.mark.parametrize("text", ["no json", "[]", '{"format": 2}'])
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(SystemExit, match="result.json is not a result of this script"):
        records.read(path)
