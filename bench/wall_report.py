# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bench/wall measured, as tables and as a chart; computes nothing but medians and ratios."""
from __future__ import annotations

import html
import pathlib
import re
import statistics
import textwrap
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

NS, KIB = 1e9, 1024.0
Run = Dict[str, Any]


class Figures:
    """The runs of one result, by name."""

    def __init__(self, result: Dict[str, Any]) -> None:
        self.result = result
        self.items: Dict[str, Dict[str, Any]] = result["items"]
        self.counts: Dict[str, int] = result["instructions"]
        self.runs: Dict[str, List[Run]] = {}
        for run in result["runs"]:
            if "failed" not in run:
                self.runs.setdefault(run["name"], []).append(run)

    def values(self, name: str, key: str) -> List[float]:
        return [run[key] for run in self.runs.get(name, []) if key in run]

    def median(self, name: str, key: str) -> Optional[float]:
        values = self.values(name, key)
        return statistics.median(values) if values else None

    def by_speed(self) -> List[str]:
        return sorted(self.runs, key=lambda name: self.median(name, "line") or 0)

    def failed(self) -> int:
        return sum("failed" in run for run in self.result["runs"])


def number(value: Optional[float], scale: float = 1.0, digits: int = 2) -> str:
    return "–" if value is None else f"{value / scale:,.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table, of which all columns but the first few are numbers."""
    marks = ["---"] * words + ["---:"] * (len(head) - words)
    lines = [head, marks, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def about(result: Dict[str, Any]) -> str:
    m = result["machine"]
    return (
        f"Accelerator: **{m['accel']}**. Measured on {result['date']}, on {m['cores']} CPUs of "
        f"{m['cpu']}, Linux {m['host_kernel']}, QEMU {m['qemu']}, libvirt {m['libvirt']}; the load "
        f"before was {m['load_at_start']}. Guests: Linux {m['guest_kernel']}, 1 vCPU, 512 MiB "
        f"unless said otherwise. Command:\n\n    {result['command']}"
    )


def boots(f: Figures) -> str:
    base = f.median("vmboot", "line")
    rows = []
    for name in f.by_speed():
        times = f.values(name, "line")
        median = statistics.median(times)
        rows.append([
            f"`{name}`", f.items[name]["title"], f.items[name]["end"], str(len(times)),
            number(median, NS), number(min(times), NS), number(max(times), NS),
            number(median, base) if base else "–",
            number(f.counts.get(name), 1e6, 0),
        ])
    return table(
        ["row", "what is booted", "up to", "runs", "median, s", "least", "most",
         "times `vmboot`", "million guest instructions"], rows, 3)


def resources(f: Figures) -> str:
    rows = []
    for name in f.by_speed():
        rows.append([
            f"`{name}`",
            number(f.median(name, "qemu_cpu"), NS), number(f.median(name, "host_cpu"), NS, 3),
            number(f.median(name, "qemu_peak_kib"), KIB, 0),
            number(f.median(name, "host_peak_kib"), KIB, 0),
            number(f.items[name]["initrd_bytes"], KIB * KIB),
        ])
    return table(
        ["row", "CPU of QEMU, s", "CPU of the host side, s", "peak of QEMU, MiB",
         "peak of the host side, MiB", "initramfs, MiB"], rows)


OWN: Tuple[Tuple[str, str, str], ...] = (
    ("created", "`vmboot_create()` returned", "ms"),
    ("event_program", "the host received the event program", "ms"),
    ("line", "the program's first line is at the host", "ms"),
    ("answer", "the agent's first answer, to a stat of /", "ms"),
    ("create_cpu", "CPU of `vmboot_create()` itself, without libvirt's", "ms"),
    ("libvirt_cpu", "CPU of libvirt in that call, QEMU apart", "ms"),
    ("first_prepare", "before: libvirt's embedded driver starts, a VM is prepared", "ms"),
    ("disk_bytes", "real disk of the VM before the guest writes", "KiB"),
)


def own(f: Figures) -> str:
    scales = {"ms": 1e6, "KiB": KIB}
    names = [name for name in f.runs if name in (
        "vmboot", "vmboot-no-headers", "vmboot-no-agent", "vmboot-256", "vmboot-2048",
        "vmboot-fastest", "vmboot-kernel")]
    rows = [[f"{words}, {unit}"] + [number(f.median(name, key), scales[unit], 1) for name in names]
            for key, words, unit in OWN]
    rows.append(["guest time, kernel's first tick to program, ms"]
                + [number(median_guest(f, name), 1e3, 1) for name in names])
    return table(["median"] + [f"`{name}`" for name in names], rows)


def guest_us(run: Run) -> Optional[float]:
    """From the kernel's first tick to the program, by the guest's clock."""
    begin = [e["start_us"] for e in run["ledger"]["events"] if e["phase"] == "kernel"]
    end = run["ledger"]["program_us"]
    return end - begin[0] if begin and end >= 0 else None


def median_guest(f: Figures, name: str) -> Optional[float]:
    values = [us for us in map(guest_us, f.runs.get(name, [])) if us is not None]
    return statistics.median(values) if values else None


def ratio(a: Optional[float], b: Optional[float]) -> Optional[float]:
    return a / b if a is not None and b else None


def leanest(f: Figures) -> Optional[str]:
    """The fastest of those with a distribution's initrd and the same program."""
    names = [name for name in f.by_speed() if name in (
        "initramfs-tools", "libvirt-initramfs-tools", "libvirt-dracut")]
    return names[0] if names else None


Measure = Callable[[Figures], Optional[float]]
#: of a row of ours
MeasureOf = Callable[[str], Measure]

#: Rows of ours that have a column of their own, by what is added to a row's name.
VARIANTS = {"-fastest": "with `vmboot-fastest`", "-kernel": "with another kernel (`vmboot-kernel`)"}


class Goal(NamedTuple):
    figure: str
    most: float
    unit: str
    measure: Measure
    #: of which row it is, and the same of others
    row: str = ""
    of: Optional[MeasureOf] = None


def wall(a: str, b: str) -> Measure:
    return lambda f: ratio(f.median(a, "line"), f.median(b, "line"))


def counted(a: str, b: str) -> Measure:
    return lambda f: ratio(f.counts.get(a), f.counts.get(b))


def beside_leanest(name: str) -> Measure:
    return lambda f: ratio(f.median(name, "line"), f.median(leanest(f) or "", "line"))


def goal_of(figure: str, most: float, of: MeasureOf, row: str = "vmboot") -> Goal:
    return Goal(figure, most, "", of(row), row, of)


def beside(figure: str, most: float, how: Callable[[str, str], Measure], peer: str,
           row: str = "vmboot") -> Goal:
    return goal_of(figure, most, lambda name: how(name, peer), row)


EXPECTED = pathlib.Path(__file__).resolve().parent / "expected.txt"
INSNS_PER_MS = 6e6


def checked(f: Figures, configuration: str) -> Dict[str, float]:
    """The committed counts of bench-check, medians of several boots: millions by phase."""
    m = f.result["machine"]
    key = [m["guest_kernel"], m["qemu"], configuration]
    rows = [line.split() for line in EXPECTED.read_text().splitlines()]
    return {row[3]: float(row[4]) for row in rows if row[:3] == key}


def own_share(f: Figures) -> Optional[float]:
    """All phases of init but modules, in ms."""
    others = ("firmware", "unpack", "kernel", "modules", "total", "user")
    millions = [n for phase, n in checked(f, "plain").items() if phase not in others]
    return sum(millions) * 1e6 / INSNS_PER_MS if millions else None


def beside_plain(configuration: str) -> Measure:
    return lambda f: ratio(checked(f, configuration).get("total"), checked(f, "plain").get("total"))


GOALS: Tuple[Goal, ...] = (
    Goal("init's own share, PID 1's first instruction to the program's, without loading modules "
         "and their probes, by `make bench-check` (`plain`), at 6 instructions in a nanosecond (3 "
         "GHz, 2 in a cycle); by chance 1.7 to 2.5, so not met each time", 2, " ms", own_share),
    beside("guest instructions, kernel entry to program, beside the leanest peer's "
           "(`initramfs-tools`)", 0.25, counted, "initramfs-tools"),
    beside("the same beside a static init on the untuned kernel (`untuned`)", 0.6, counted,
           "untuned"),
    Goal("headers present beside skipped, guest instructions, by `make bench-check` (`headers`, "
         "`plain`: medians, for one boot differs from the next)", 1.01, "",
         beside_plain("headers")),
    Goal("headers present beside skipped, wall clock", 1.01, "",
         wall("vmboot", "vmboot-no-headers")),
    Goal("agent present beside skipped, guest instructions until the program, likewise", 1.01, "",
         beside_plain("agent")),
    Goal("agent present beside skipped, wall clock until the program", 1.01, "",
         wall("vmboot", "vmboot-no-agent")),
    goal_of("wall clock, create to program, beside the leanest peer", 0.3, beside_leanest),
    beside("beside libguestfs' appliance", 0.15, wall, "libguestfs"),
    beside("beside virtme-ng", 0.1, wall, "virtme-ng"),
    beside("beside the original's way", 0.4, wall, "original"),
    beside("wall clock to systemd's multi-user.target, beside libvirt's default XML", 0.5, wall,
           "libvirt-systemd", "vmboot-systemd"),
    Goal("host CPU of `vmboot_create()` itself", 10, " ms",
         lambda f: ratio(f.median("vmboot", "create_cpu"), 1e6)),
    Goal("real disk per VM before the guest writes", 1, " MiB",
         lambda f: ratio(f.median("vmboot", "disk_bytes"), KIB * KIB)),
    Goal("2 GiB guest beside 256 MiB guest, kernel entry to program, guest's clock", 1.1, "",
         lambda f: ratio(median_guest(f, "vmboot-2048"), median_guest(f, "vmboot-256"))),
    Goal("the same in guest instructions", 1.1, "", counted("vmboot-2048", "vmboot-256")),
)


def shown(value: float) -> str:
    return f"{value:.4g}" if value >= 1 else f"{value:.3g}"


def verdict(value: Optional[float], goal: float) -> str:
    if value is None:
        return "not measured"
    return "met" if value <= goal else f"not met, {value / goal - 1:.0%} over"


def goals(f: Figures) -> str:
    variants = [end for end in VARIANTS if f.runs.get("vmboot" + end)]
    rows = []
    for goal in GOALS:
        value = goal.measure(f)
        rows.append([goal.figure, f"≤ {goal.most:g}{goal.unit}",
                     "–" if value is None else f"{shown(value)}{goal.unit}",
                     verdict(value, goal.most), *(variant(f, goal, end) for end in variants)])
    return table(["figure", "goal", "measured", "verdict", *map(VARIANTS.__getitem__, variants)], rows)


def variant(f: Figures, goal: Goal, end: str) -> str:
    value = goal.of(goal.row + end)(f) if goal.of else None
    return "" if value is None else f"{shown(value)}, {verdict(value, goal.most)}"


def left_out(f: Figures) -> str:
    lines = [f"- `{name}` was not measured: {item['lack']}"
             for name, item in f.items.items() if item["lack"]]
    lines += [f"- `{name}`: {item['note']}." for name, item in f.items.items()
              if item.get("note") and name in f.runs]
    if f.failed():
        lines.append(f"- {f.failed()} boots failed and are not counted.")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def without_kvm(result: Dict[str, Any]) -> str:
    if result["machine"]["accel"] == "kvm":
        return ""
    return """
All guests were emulated (TCG). Unless the command asks for TCG, KVM does not work on this machine, so
there are no figures for KVM, and these do not carry over to it one to one. On a host where
`vmboot doctor` reports that KVM works, the same command measures with KVM; see bench/README.md.
"""


def markdown(result: Dict[str, Any]) -> str:
    f = Figures(result)
    accel = {"kvm": "KVM", "tcg": "TCG"}[result["machine"]["accel"]]
    return f"""{about(result)}
{without_kvm(result)}
## Boots, under {accel}

Wall clock time from the call of `vmboot_create()` (for a peer: from just before its command or its
call to libvirt) until the host sees what the third column names. `times vmboot` is the ratio of
medians. Instructions are counted from the kernel's entry to the program's first one. For libguestfs
they include mounting the disk and starting the program.

{boots(f)}
{left_out(f)}
## What they take, under {accel}

Measured until the same moment. The host side is all processes except QEMU. For ours that is a small C
program that uses libvirt's embedded driver.

{resources(f)}

## Ours, under {accel}

{own(f)}

## Goals, under {accel}

The verdicts are for the defaults. The last columns are for `vmboot-fastest`, which gives up features
(see "The last tenth" in [levers.md](levers.md)), and, if it was measured, for [a kernel built for fast
boots](fast-kernel.md).

{goals(f)}
"""


# ---- the chart

BAR, GAP, LEFT, WIDE = 22, 8, 330, 560


def chart(result: Dict[str, Any]) -> str:
    f = Figures(result)
    names = [name for name in f.by_speed() if name not in (
        "vmboot-256", "vmboot-2048", "vmboot-no-headers", "vmboot-no-agent")]
    most = max((max(f.values(name, "line")) for name in names), default=1.0)
    height = 74 + len(names) * (BAR + GAP)
    m = result["machine"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 80} {height}" '
        f'width="{LEFT + WIDE + 80}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="22" font-size="15">Seconds to the end point, median; '
        f"the line goes from the least to the most</text>",
        f'<text x="10" y="{height - 12}" fill="#666">{html.escape(m["accel"])}, 1 vCPU, 512 MiB, '
        f'Linux {html.escape(m["guest_kernel"])}, QEMU {html.escape(m["qemu"])}, '
        f'{html.escape(m["cpu"])}, {html.escape(result["date"])}</text>',
    ]
    for i, name in enumerate(names):
        parts.extend(bar(f, name, 40 + i * (BAR + GAP), WIDE / most))
    return "\n".join([*parts, "</svg>"]) + "\n"


def bar(f: Figures, name: str, y: float, scale: float) -> List[str]:
    times = f.values(name, "line")
    median, least, most = statistics.median(times), min(times), max(times)
    colour = "#2a7f62" if name.startswith("vmboot") else "#8a93a6"
    middle = y + BAR / 2
    return [
        f'<text x="{LEFT - 8}" y="{middle + 5:.0f}" text-anchor="end">{html.escape(name)}</text>',
        f'<rect x="{LEFT}" y="{y:.0f}" width="{median * scale:.1f}" height="{BAR}" fill="{colour}">'
        f'<title>{html.escape(f.items[name]["title"])}, up to {html.escape(f.items[name]["end"])}'
        f"</title></rect>",
        f'<line x1="{LEFT + least * scale:.1f}" x2="{LEFT + most * scale:.1f}" y1="{middle:.0f}" '
        f'y2="{middle:.0f}" stroke="#222"/>',
        f'<text x="{LEFT + most * scale + 6:.1f}" y="{middle + 5:.0f}">{median / NS:.2f}</text>',
    ]


# ---- the README's few lines

#: What follows libvmboot's own median, for each configuration that was measured.
COMPARED: Tuple[Tuple[str, str], ...] = (
    ("vmboot-fastest", ", {} with every optional step skipped"),
    ("vmboot-kernel", ", {} with a kernel built for it ([how](docs/fast-kernel.md))"),
    ("initramfs-tools", ". The same program takes {} with initramfs-tools' initrd and the leanest QEMU"),
    ("libguestfs", ", {} in libguestfs' appliance"),
    ("virtme-ng", ", {} in virtme-ng"),
    ("vmboot-systemd", ". A Debian with systemd takes {}"),
    ("vmboot-systemd-kernel", ", {} with that kernel"),
    ("libvirt-systemd", ", {} with libvirt's default XML"),
)
PLACE = re.compile(r"(<!-- BEGIN GENERATED benchmark -->\n).*?(<!-- END GENERATED -->)", re.DOTALL)


def in_short(result: Dict[str, Any]) -> str:
    f = Figures(result)
    m = result["machine"]
    how = "emulated guests (TCG)" if m["accel"] == "tcg" else f"guests under {m['accel'].upper()}"
    words = (
        "These are seconds from the call to the program's first line, as medians. All were measured on "
        f"one machine ({m['cores']} CPUs of {m['cpu']}, {result['date']}, `{result['command']}`) with "
        f"{how}, the same kernel, one vCPU and 512 MiB. "
        f"libvmboot takes {number(f.median('vmboot', 'line'), NS, 1)}"
    )
    for name, phrase in COMPARED:
        median = f.median(name, "line")
        if median is not None:
            words += phrase.format(number(median, NS, 1))
    return textwrap.fill(words + ".", 100, break_long_words=False, break_on_hyphens=False)


def write_readme(result: Dict[str, Any], path: pathlib.Path) -> None:
    if path.exists():
        text = path.read_text()
        path.write_text(PLACE.sub(lambda found: found[1] + in_short(result) + "\n" + found[2], text))


def write_docs(result: Dict[str, Any], folder: pathlib.Path) -> None:
    """benchmark.md and its chart in the folder, and the lines of the README beside the folder."""
    write_readme(result, folder.parent / "README.md")
    (folder / "benchmark.svg").write_text(chart(result))
    (folder / "benchmark.md").write_text(
        "# How long boots take\n\nGenerated by `make bench-docs`; "
        "[bench/README.md](../bench/README.md) describes how it is measured.\n\n"
        "![Seconds to the end point](benchmark.svg)\n\n" + markdown(result))
