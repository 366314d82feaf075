"""A result beside an earlier one. A difference counts where the rounds of both do not overlap."""

from suite import figures


def _values(cell, name):
    """What is compared of a contender: title, spread, unit."""
    if cell["rate"] is None:
        yield ("CPU", figures.cpu(cell, name), "µs") if name == figures.BASE else (
            "CPU added", figures.added_cpu(cell, name), "µs")
        yield "requests/s", figures.rate(cell, name), ""
    else:
        yield "CPU", figures.cpu(cell, name), "µs"
        for percentile in ("p50_us", "p99_us"):
            yield (figures.PERCENTILES[percentile], figures.latency(cell, name, percentile), "µs")


def _title(cell):
    how = f"{cell['rate']:,} requests/s" if cell["rate"] else f"c={cell['connections']}"
    return f"{cell['placement']}, {cell['handler']}, {how}"


def compare(before, now):
    """How many values both have, and those that differ: contender, cell, what, was, is, unit."""
    count, rows = 0, []
    for cell in now["cells"]:
        facts = {key: cell[key] for key in ("placement", "handler", "connections", "rate")}
        old = figures.find(before["cells"], **facts)
        for name in cell["rounds"] if old else ():
            if name not in old["rounds"]:
                continue
            for (what, is_now, unit), (_, was, _) in zip(_values(cell, name), _values(old, name)):
                count += 1
                if not is_now.overlaps(was):
                    rows.append((name, _title(cell), what, was, is_now, unit))
    return count, sorted(rows, key=lambda row: -abs(row[4].median - row[3].median)
                         / max(abs(row[3].median), 1e-9))


def caution(before, now):
    """One sentence on why the two can hardly be compared, or None."""
    if before["machine"]["cpu"] != now["machine"]["cpu"] or \
            before["machine"]["cores"] != now["machine"]["cores"]:
        return "It was measured on another machine: only proportions can be compared."
    if min(before["rounds"], now["rounds"]) < 3:
        return "One of the two has fewer than three rounds: their differences mean nothing."
    if "noisy" in before["noise"]["word"] or "noisy" in now["noise"]["word"]:
        return "One of the two runs was noisy: differences of that size mean nothing."
    return None
