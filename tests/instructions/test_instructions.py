"""Tests of how counts are read and judged; the counting itself is what instructions.py does."""

import contextlib
import io
import unittest

import callgrind
import instructions

# As callgrind writes it: main() calls f(int) twice, which calls a function of a library.
COUNTS = """\
version: 1
events: Ir
ob=(1) /tmp/program
fl=(1) a.cc
fn=(1) main
10 5
cfn=(2) ns::(anonymous namespace)::f<std::pair<int, long> >(int) const
calls=2 20
+1 3000
fn=(2)
20 1000
+3 400
cob=(2) /lib/libz.so.1
cfn=(3) 0x0000000000001234
calls=2 0
* 1600
ob=(2)
fn=(3)
0 1600
"""


def breakdown(total, **functions):
    return {"instructions": total, "own": functions, "inclusive": functions}


def judge(committed, now):
    """Whether the figure holds, and what is said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        held = instructions.compare("decide", committed, now)
    return held, said.getvalue()


class CallgrindTest(unittest.TestCase):
    def test_what_a_function_does_itself_is_told_from_what_it_calls(self):
        own, inclusive = callgrind.read(COUNTS.splitlines(keepends=True))
        self.assertEqual(own, {"main": 5, "ns::f": 1400, "(libz.so.1)": 1600})
        self.assertEqual(inclusive, {"main": 3005, "ns::f": 3000})


class CompareTest(unittest.TestCase):
    def test_less_than_five_percent_either_way_hold(self):
        for total in (951, 1000, 1049):
            self.assertTrue(judge(breakdown(1000, f=900), breakdown(total, f=900))[0])

    def test_a_slower_check_fails_and_names_what_grew_and_what_is_new(self):
        held, said = judge(breakdown(1000, f=600, g=400),
                           breakdown(1100, f=620, g=400, copied=480, small=80))
        self.assertFalse(held)
        self.assertIn("more than 5% slower", said)
        self.assertIn("+20.0  f: 620.0, was 600.0", said)
        self.assertIn("+80.0  copied: 480.0, was not among the largest", said)
        self.assertNotIn("small", said)

    def test_a_faster_check_fails_too_and_asks_for_the_new_figure(self):
        held, said = judge(breakdown(1000, f=900), breakdown(940, f=840))
        self.assertFalse(held)
        self.assertIn("became faster: commit the new figure", said)
        self.assertIn("-60.0  f: 840.0, was 900.0", said)


if __name__ == "__main__":
    unittest.main()
