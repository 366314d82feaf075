"""A result as one picture: CPU added by each contender, and latency at each rate. Readable on light
and on dark ground."""

import math
from xml.sax.saxutils import escape

from suite import figures
from suite.contenders import KINDS

WIDTH = 1000
_NAMES = 225   # pixels for the contenders' names on the left
_GAP = 24      # between panels
_ROW = 26
_HEAD = 56     # a section's title and its panels' titles
_FOOT = 34     # of a section: its axis

_COLOURS = {"plain": "#8a8f98", "limit_req": "#b08d2f", "auth_request": "#c4662d",
            "lua_redis": "#c2497a", "quotagate": "#2f84d6", "quotagate_redis": "#2a9d76"}
_STYLE = """
  text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #24292f; }
  .title { font-size: 16px; font-weight: 600; }
  .panel { font-weight: 600; }
  .small { font-size: 12px; fill: #57606a; }
  .ground { fill: #ffffff; }
  .grid { stroke: #d0d7de; }
  .hollow { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9da7b3; }
    .ground, .hollow { fill: #0d1117; }
    .grid { stroke: #30363d; }
  }
"""


def _text(x, y, words, kind="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(words)}</text>")


def _line(x1, y1, x2, y2, extra='class="grid"'):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {extra}/>'


def _duration(us):
    return f"{us / 1000:g} ms" if us >= 1000 else f"{us:g} µs"


def _ticks(low, high, most):
    """Round values between the two, as fine as there is room for; at least one is always there."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10 ** power for power in range(0, 9) for step in steps
                 if low <= step * 10 ** power <= high]
        if len(ticks) <= most:
            break
    return ticks or [high]


class _Section:
    """Rows by contender, panels beside each other."""

    def __init__(self, top, title, names, panels):
        self.top = top
        self.names = names
        self.width = (WIDTH - _NAMES - _GAP * len(panels)) / len(panels)
        self.first = top + _HEAD
        self.bottom = self.first + _ROW * len(names)
        self.end = self.bottom + _FOOT
        self.lines = [_text(16, top + 18, title, "title")]
        self.lines += [_text(16, self.middle(i) + 4, KINDS[name].title)
                       for i, name in enumerate(names)]
        self.lines += [_text(self.left(i), top + _HEAD - 12, panel, "panel")
                       for i, panel in enumerate(panels)]

    def left(self, panel):
        return _NAMES + panel * (self.width + _GAP)

    def middle(self, row):
        return self.first + _ROW * row + _ROW / 2


def _cpu(top, cells, placement):
    names = [name for name in KINDS if name in cells[0]["rounds"] and name != figures.BASE]
    section = _Section(top, f"CPU added per request, µs ({placement}, static, as fast as answers "
                       "come)", names, [f"c={cell['connections']}" for cell in cells])
    room = section.width - 46  # for the figure after the bar
    for i, cell in enumerate(cells):
        added = {name: figures.added_cpu(cell, name) for name in names}
        largest = max(*[spread.median for spread in added.values()], 0.01)
        left = section.left(i)
        section.lines.append(_line(left, section.first, left, section.bottom))
        for row, name in enumerate(names):
            length = max(added[name].median, 0) / largest * room
            y = section.middle(row)
            section.lines.append(
                f'<rect x="{left:.1f}" y="{y - 8:.1f}" width="{length:.1f}" height="16" rx="2" '
                f'fill="{_COLOURS[name]}"/>')
            section.lines.append(_text(left + length + 6, y + 4, f"{added[name].median:.1f}"))
    section.lines.append(_text(_NAMES, section.bottom + 20,
                               "Each panel has a scale of its own.", "small"))
    return section


def _latency(top, cells, placement):
    names = [name for name in KINDS if name in cells[0]["rounds"]]
    section = _Section(top, f"Latency at a constant rate ({placement}, static): ● p50, ○ p99, "
                       "| p99.9",
                       names, [f"{cell['rate']:,} requests/s" for cell in cells])
    values = {(i, name): [figures.latency(cell, name, percentile).median
                          for percentile in figures.PERCENTILES]
              for i, cell in enumerate(cells) for name in names}
    low = max(min(map(min, values.values())), 1) / 1.3
    high = max(max(map(max, values.values())), 1) * 1.3
    ticks = _ticks(low, high, section.width / 60)

    def x_of(panel, us):
        return section.left(panel) + math.log(max(us, low) / low) / math.log(high / low) * (
            section.width)

    for i, cell in enumerate(cells):
        for tick in ticks:
            x = x_of(i, tick)
            section.lines.append(_line(x, section.first, x, section.bottom))
            section.lines.append(_text(x, section.bottom + 18, _duration(tick), "small", "middle"))
        for row, name in enumerate(names):
            y, colour = section.middle(row), _COLOURS[name]
            xs = [x_of(i, us) for us in values[i, name]]
            section.lines.append(_line(xs[0], y, xs[-1], y,
                                       f'stroke="{colour}" stroke-width="2"'))
            section.lines += [
                f'<circle cx="{xs[0]:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
                f'<circle cx="{xs[1]:.1f}" cy="{y:.1f}" r="4" class="hollow" stroke="{colour}" '
                'stroke-width="2"/>',
                _line(xs[2], y - 6, xs[2], y + 6, f'stroke="{colour}" stroke-width="3"')]
            if figures.is_overloaded(cell, name):
                section.lines.append(_text(xs[0] - 8, y + 4, "overloaded", "small", "end"))
    return section


def svg(result):
    top, sections = 12, []
    for placement in ("pinned", "free"):
        cells = [cell for cell in result["cells"]
                 if cell["placement"] == placement and cell["handler"] == "static"]
        for chosen, draw in (([c for c in cells if c["rate"] is None], _cpu),
                             ([c for c in cells if c["rate"]], _latency)):
            if chosen and (draw is _latency or len(chosen[0]["rounds"]) > 1):
                sections.append(draw(top, chosen, placement))
                top = sections[-1].end + 14
    note = (f"{result['machine']['cpu']}, {result['machine']['cores']} cores; quotagate "
            f"{result['versions']['quotagate']}, {result['when']}; {result['noise']['word']}")
    height = top + 24
    body = "\n".join(line for section in sections for line in section.lines)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img">\n'
            "<title>CPU added per request, and latency, by contender</title>\n"
            f"<style>{_STYLE}</style>\n"
            f'<rect class="ground" width="{WIDTH}" height="{height:.0f}"/>\n{body}\n'
            f"{_text(16, height - 12, note, 'small')}\n</svg>\n")
