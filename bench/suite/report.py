"""A result in words and tables, as Markdown."""

from suite import compare, figures, goals
from suite.contenders import KINDS

_ROLES = ["nginx", "quotad", "Redis", "auth server", "upstream"]
_MOST_DIFFERENCES = 20


def _table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _or_dash(spread, digits=2):
    return spread.text(digits) if spread else "–"


def _saturation(cell):
    roles = [role for role in _ROLES
             if any(figures.role_cpu(cell, name, role) for name in cell["rounds"])]
    yield f"#### {cell['placement']}, {cell['handler']}, c={cell['connections']}"
    yield ""
    yield from _table(
        ["", *[f"{role} µs" for role in roles], "added to plain, µs", "requests/s", "of plain's"],
        ([KINDS[name].title, *[_or_dash(figures.role_cpu(cell, name, role)) for role in roles],
          "–" if name == figures.BASE else f"**{figures.added_cpu(cell, name).text()}**",
          f"{figures.rate(cell, name).median:,.0f}",
          "–" if name == figures.BASE else figures.rate_ratio(cell, name).text()]
         for name in cell["rounds"]))


def _open_loop(cell):
    def row(name):
        is_base = name == figures.BASE
        marks = " (overloaded)" if figures.is_overloaded(cell, name) else ""
        return [KINDS[name].title + marks,
                *[figures.latency(cell, name, percentile).text(0)
                  for percentile in figures.PERCENTILES],
                *["–" if is_base else figures.added_latency(cell, name, percentile).text(0)
                  for percentile in ("p50_us", "p99_us")],
                figures.cpu(cell, name).text(1),
                ", ".join(f"{role} {figures.role_cpu(cell, name, role).median:.1f}"
                          for role in _ROLES if figures.role_cpu(cell, name, role)),
                f"{figures.rate(cell, name).median:,.0f}",
                figures.latency(cell, name, "own_lateness_p99_us").text(0)]

    yield f"#### {cell['placement']}, {cell['handler']}, {cell['rate']:,} requests/s"
    yield ""
    yield from _table(
        ["", "p50 µs", "p99 µs", "p99.9 µs", "p50 added", "p99 added", "CPU µs/request",
         "by process", "reached/s", "client late, p99 µs"], map(row, cell["rounds"]))


def _memory(memory):
    yield "### Memory"
    yield ""
    yield ("Megabytes resident, and in brackets those that no other process shares, of the largest "
           "process; at its start, and after all the load.")
    yield ""
    yield from _table(
        ["", "process", "idle", "after the load"],
        ([KINDS[name].title, role, *[f"{state[name][role]['resident']:.1f} "
                                     f"({state[name][role]['private']:.1f})"
                                     for state in (memory["idle"], memory["loaded"])]]
         for name in memory["idle"] for role in memory["idle"][name]))


def _scaling(rows):
    def cells(row):
        spreads = [figures.Spread(one["requests_s"] for one in row["rounds"]),
                   figures.Spread(figures.own_cpu(one) for one in row["rounds"])]
        return [str(row["workers"]), str(row["threads"] or "no quotad"),
                spreads[0].text(0), spreads[1].text()]

    yield "### More workers, more threads"
    yield ""
    yield "Free, static, c=256; wrk has one thread and needs a core for itself."
    yield ""
    yield from _table(["nginx workers", "quotad threads", "requests/s", "CPU µs/request"],
                      map(cells, rows))


def _comparison(before, now):
    yield "## Beside the last result"
    yield ""
    if before is None:
        yield "There is no earlier result to compare with."
        yield ""
        return
    count, rows = compare.compare(before, now)
    yield (f"That of {before['when']}, commit {before['versions']['quotagate']}. Of {count} values "
           f"that both have, {len(rows)} differ by more than their rounds do"
           + (f"; the {_MOST_DIFFERENCES} that differ most:" if len(rows) > _MOST_DIFFERENCES
              else "."))
    caution = compare.caution(before, now)
    if caution:
        yield f"**{caution}**"
    yield ""
    if rows:
        yield from _table(
            ["", "where", "what", "before", "now"],
            ([KINDS[name].title if name in KINDS else name, where,
              f"{what}, {unit}" if unit else what, was.text(), is_now.text()]
             for name, where, what, was, is_now, unit in rows[:_MOST_DIFFERENCES]))


def _head(result):
    machine, versions, noise = result["machine"], result["versions"], result["noise"]
    yield f"# Benchmark: {result['mode']}, {result['when']}"
    yield ""
    yield f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    yield "- Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items())
    yield (f"- {result['rounds']} interleaved rounds of {result['seconds']:g} s; median (lowest to "
           f"highest); took {result['took_s'] / 60:.1f} min")
    yield (f"- Noise: **{noise['word']}**. Plain nginx's rounds lie {100 * noise['typical']:.1f} % "
           f"apart in the median of all settings, {100 * noise['worst']:.1f} % in the worst; other "
           f"processes had {100 * machine['others']:.1f} % of the machine's time, other virtual "
           f"machines {100 * machine['stolen']:.1f} %")
    yield ""
    for problem in result["problems"]:
        yield f"**Wrong: {problem}.**"
        yield ""


def markdown(result, before):
    lines = [*_head(result), "![CPU and latency](plot.svg)", ""]
    reached = list(goals.rows(result))
    if reached:
        lines += ["## Goals", "", *_table(["", "goal", "measured", ""], reached)]
        if result["noise"]["word"] != "quiet":
            lines += ["The run was not quiet, so neither a goal missed nor one reached by little "
                      "is certain.", ""]
    saturation = [cell for cell in result["cells"] if cell["rate"] is None]
    open_loop = [cell for cell in result["cells"] if cell["rate"]]
    lines += ["## As fast as answers come", "",
              "CPU is per request, of every process that takes part; the load generator is left "
              "out. The upstream is not in what is added.", ""]
    for cell in saturation:
        lines += _saturation(cell)
    if open_loop:
        lines += ["## At a constant rate", "",
                  "Latency counts from the time at which a request should have been sent, and "
                  "includes the client's own lateness.", ""]
        for cell in open_loop:
            lines += _open_loop(cell)
    lines += ["## Size and scale", "", *_memory(result["memory"])]
    if result["scaling"]:
        lines += _scaling(result["scaling"])
    lines += _comparison(before, result)
    return "\n".join(lines).rstrip() + "\n"
