"""What the capacity rows say: tables, and how the cost grows as plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.capacity.parts import Drawing, Part, Scale
from benchmarks.capacity.svg import plot
from benchmarks.marks import write_between
from benchmarks.report import Table
from benchmarks.runs import Results
from benchmarks.servers import Server

PUBLISH_BUDGET, BATCH_BUDGET = 5_000, 60_000
"""Publications a second of one core, by `/api/publish` and by `/api/batch`; twice that is beyond."""

CROWD_BUDGET, CROWD_BEYOND, CROWD_P99_MS = 10_000, 18_000, 100.0


def show(part: Part, results: Results, servers: Sequence[Server], scale: Scale, console: Console) -> None:
    for table in part.tables(results, servers, scale):
        table.print(console)


def markdown(
    file: Path, part: Part, results: Results, servers: Sequence[Server], scale: Scale, notes: list[str]
) -> None:
    """Between the file's marks of the part's name; plots become files in a folder beside it."""
    drawn = []
    for drawing in part.drawings(results, servers, scale):
        picture = file.parent / "plots" / f"{drawing.name}.svg"
        picture.parent.mkdir(exist_ok=True)
        picture.write_text(plot(drawing.title, drawing.across, drawing.unit, drawing.lines))
        drawn.append(f"![{drawing.title}, {drawing.unit}, by {drawing.across}](plots/{picture.name})")
    made = [table.markdown() for table in part.tables(results, servers, scale)]
    write_between(
        file, f"benchmarks {part.name}", "\n\n".join([*made, *drawn, "\n".join(f"- {note}" for note in notes)])
    )


# Publishing by HTTP.


def api(results: Results, servers: Sequence[Server], scale: Scale) -> list[Table]:
    columns = ["request", "server", "a second", "a CPU second", "µs of CPU", "server busy", "client busy"]
    columns += ["p50 ms", "p99 ms", "budget"]
    rows = []
    for kind, title, budget in (
        ("publish", "one publication", PUBLISH_BUDGET),
        ("batch", f"{scale.commands} publications", BATCH_BUDGET),
    ):
        for server in servers:
            figure = _reader(results, "api", server, kind)
            verdict = _floor(figure("per_cpu_second"), budget) if server.key == "tidings" else ""
            cells = [
                _text("{:,.0f}", figure("per_second")),
                _text("{:,.0f}", figure("per_cpu_second")),
                _text("{:.1f}", figure("cpu_us")),
                _text("{:.0%}", figure("server_share")),
                _text("{:.0%}", figure("load_share")),
                _text("{:.2f}", figure("p50_ms")),
                _text("{:.2f}", figure("p99_ms")),
            ]
            rows.append([title, server.title, *cells, verdict])
    return [Table("Publishing by HTTP, to a channel without subscribers", columns, rows)]


def _floor(value: float | None, budget: float) -> str:
    if value is None:
        return ""
    word = "missed" if value < budget else "met" if value < 2 * budget else "met, and beyond"
    return f"≥ {budget:,} {word}"


# A crowd.


def crowd(results: Results, servers: Sequence[Server], scale: Scale) -> list[Table]:
    columns = ["connections", "µs to let one in", "KiB each", "p50 ms", "p95 ms", "p99 ms", "µs a delivery"]
    columns += ["server busy", "client busy", "lost", "budget"]
    forms = {
        "in_us": "{:,.0f}",
        "kib": "{:.1f}",
        "p50_ms": "{:.2f}",
        "p95_ms": "{:.2f}",
        "p99_ms": "{:.2f}",
        "cpu_us": "{:.1f}",
        "server_share": "{:.0%}",
        "load_share": "{:.0%}",
        "lost": "{:,.0f}",
    }
    rows = []
    for count in scale.crowds:
        figure = _reader(results, "crowd", servers[0], str(count))
        kept = figure("p99_ms") is not None and (figure("p99_ms") or 0) <= CROWD_P99_MS and not figure("lost")
        wanted = {CROWD_BUDGET: "budget", CROWD_BEYOND: "beyond"}.get(count)
        verdict = f"p99 ≤ {CROWD_P99_MS:.0f} ms {'met' if kept else 'missed'}" if wanted else ""
        rows.append([f"{count:,}", *(_text(form, figure(name)) for name, form in forms.items()), verdict])
    return [Table("Connections in one process", columns, rows)]


# The peers.


def peers(results: Results, servers: Sequence[Server], scale: Scale) -> list[Table]:
    columns = ["server", "µs a delivery", "times Tidings'", "the same, 8 in flight", "times Tidings'"]
    columns += ["p50 ms", "p99 ms", "KiB a connection", "µs to let one in", "client busy"]
    rows = [
        [
            server.title,
            _text("{:.2f}", results.median("peers", server.key, "cpu_us")),
            _text("{:.2f} ×", results.ratio("peers", server.key, "tidings", "cpu_us")),
            _text("{:.2f}", results.median("peers", server.key, "burst_us")),
            _text("{:.2f} ×", results.ratio("peers", server.key, "tidings", "burst_us")),
            _text("{:.2f}", results.median("peers", server.key, "p50_ms")),
            _text("{:.2f}", results.median("peers", server.key, "p99_ms")),
            _text("{:.1f}", results.median("peers", server.key, "kib")),
            _text("{:,.0f}", results.median("peers", server.key, "in_us")),
            _text("{:.0%}", results.most("peers", server.key, "load_share")),
        ]
        for server in servers
    ]
    return [Table(f"Fan-out to {scale.subscribers:,} subscribers", columns, rows)]


# Growth.


def connections(results: Results, servers: Sequence[Server], scale: Scale) -> list[Table]:
    columns = ["subscribers", *(f"{server.title}, µs a delivery" for server in servers)]
    columns += ["Tidings, KiB each", "Tidings, p99 ms"]
    rows = [
        [
            f"{count:,}",
            *(_text("{:.2f}", _figure(results, "growth-connections", server, count, "cpu_us")) for server in servers),
            _text("{:.1f}", _figure(results, "growth-connections", servers[0], count, "kib")),
            _text("{:.2f}", _figure(results, "growth-connections", servers[0], count, "p99_ms")),
        ]
        for count in scale.connection_counts
    ]
    return [Table("Subscribers of one channel", columns, rows)]


def draw_connections(results: Results, servers: Sequence[Server], scale: Scale) -> list[Drawing]:
    counts, row = scale.connection_counts, "growth-connections"
    costs = {server.title: _line(results, row, server, counts, "cpu_us") for server in servers}
    times = {server.title: _line(results, row, server, counts, "p99_ms") for server in servers}
    memory = {servers[0].title: _line(results, row, servers[0], counts, "kib")}
    across = "subscribers of one channel"
    return [
        Drawing("connections-cpu", "CPU of a delivery", across, "µs", costs),
        Drawing("connections-memory", "Memory of a subscriber", across, "KiB", memory),
        Drawing("connections-latency", "Until 99 % have it", across, "ms", times),
    ]


def channels(results: Results, servers: Sequence[Server], scale: Scale) -> list[Table]:
    columns = ["channels", "µs a publication", "p99 ms of 50", "MiB in all", "KiB each"]
    forms = {"cpu_us": "{:.1f}", "p99_ms": "{:.2f}", "mib": "{:,.1f}"}
    rows = []
    for count in scale.channel_counts:
        figure = _reader(results, "growth-channels", servers[0], str(count))
        each = _each_beyond_the_holders(results, servers[0], scale, count)
        rows.append(
            [f"{count:,}", *(_text(form, figure(name)) for name, form in forms.items()), _text("{:,.1f}", each)]
        )
    return [Table("Channels with a history, each with one subscriber", columns, rows)]


def _each_beyond_the_holders(results: Results, server: Server, scale: Scale, count: int) -> float | None:
    """KiB of a channel, where there are more of them than connections, whose memory is in the figures, too."""
    fewer, more = (_figure(results, "growth-channels", server, each, "mib") for each in (scale.holders, count))
    if count <= scale.holders or fewer is None or more is None:
        return None
    return (more - fewer) / (count - scale.holders) * 1024


def draw_channels(results: Results, servers: Sequence[Server], scale: Scale) -> list[Drawing]:
    lines = {"Tidings": _line(results, "growth-channels", servers[0], scale.channel_counts, "cpu_us")}
    return [Drawing("channels-cpu", "CPU of a publication to one subscriber", "channels", "µs", lines)]


def sizes(results: Results, servers: Sequence[Server], scale: Scale) -> list[Table]:
    columns = ["bytes", *(f"{server.title}, µs a delivery" for server in servers), "Tidings / raw"]
    rows = [
        [
            f"{size:,}",
            *(_text("{:.2f}", _figure(results, "growth-size", server, size, "cpu_us")) for server in servers),
            _text("{:.2f} ×", results.ratio("growth-size", "tidings", "raw", f"{size}, cpu_us")),
        ]
        for size in scale.sizes
    ]
    return [Table(f"Messages of a size, to {scale.readers} subscribers", columns, rows)]


def draw_sizes(results: Results, servers: Sequence[Server], scale: Scale) -> list[Drawing]:
    lines = {server.title: _line(results, "growth-size", server, scale.sizes, "cpu_us") for server in servers}
    return [Drawing("size-cpu", "CPU of a delivery", "bytes in a message", "µs", lines)]


def _line(results: Results, row: str, server: Server, counts: Sequence[int], figure: str) -> list[tuple[float, float]]:
    values = [(float(count), _figure(results, row, server, count, figure)) for count in counts]
    return [(count, value) for count, value in values if value is not None]


def _figure(results: Results, row: str, server: Server, count: int, figure: str) -> float | None:
    return results.median(row, server.key, f"{count}, {figure}")


def _reader(results: Results, row: str, server: Server, what: str):
    return lambda figure: results.median(row, server.key, f"{what}, {figure}")


def _text(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
