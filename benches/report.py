#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""report.py FIGURES COUNTED FOLDER [README]: the benchmark's lines, by the clock and by instructions, as Markdown tables on standard output
and in FOLDER/results.md with a plot as FOLDER/results.svg; the first table and the plot also between the README's markers."""
import html
import math
import os
import statistics
import sys

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MEASURES = [
    ("transmit16-inside", "`SCardTransmit` in a transaction, 16-byte answer"),
    ("transmit16-outside", "`SCardTransmit` outside, 16-byte answer"),
    ("transmit256-inside", "`SCardTransmit` in a transaction, 256-byte answer"),
    ("transmit256-outside", "`SCardTransmit` outside, 256-byte answer"),
    ("beside", "`SCardTransmit` beside the floor, call by call"),
    ("beside-locked", "the same, the floor taking the exchange lock, too"),
    ("status", "`SCardStatus`"),
    ("state-unknown", "`SCardGetStatusChange`, timeout 0, first look"),
    ("state-known", "`SCardGetStatusChange`, timeout 0, nothing new"),
    ("beginend", "`SCardBeginTransaction` + `SCardEndTransaction`"),
    ("context", "`SCardEstablishContext` + `SCardReleaseContext`"),
    ("process-nothing", "whole process: loads the library, exits"),
    ("process", "whole process: establish, list, connect, one APDU, exit"),
    ("ten", "transaction of ten APDUs, one process"),
    ("ten-watched", "the same with a watcher in another process"),
    ("ten-two", "the same by two processes in turn, each transaction"),
    ("slow-transmit16-inside", "a card that takes 5 ms: `SCardTransmit` in a transaction"),
    ("slow-transmit16-outside", "the same outside"),
    ("slow-ten", "that card: transaction of ten APDUs, one process"),
    ("slow-ten-two", "the same by two processes in turn, each transaction"),
    ("heard-first", "card put in → `SCardGetStatusChange` returns"),
    ("heard-other", "the same in a second process"),
]
# What ours is measured by twice.
SAME_CALL = {"beside-locked": "beside"}
# The floor of an exchange is the same whether PC/SC has a transaction around it or not.
SAME_FLOOR = {f"{what}-outside": f"{what}-inside" for what in ("transmit16", "transmit256", "slow-transmit16")}


# Mostly waiting: few calls, of which the least counts, and no instructions to be counted.
WAITING = ("heard-first", "heard-other")


def read(path):
    """(column, measure) → the middle of its rounds' medians, in microseconds: rounds differ by more than libraries do."""
    rounds = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            _, column, measure, least, median, _ = line.split()
            rounds.setdefault((column, measure), []).append(int(least if measure in WAITING else median) / 1000)
    return {key: statistics.median(values) for key, values in rounds.items()}


def cell(value, unit=""):
    if value is None:
        return "–"
    return (f"{value:,.0f}" if value >= 10 and not unit else f"{value:.2f}" if value < 10 else f"{value:.1f}") + unit


def ratio(upper, lower):
    return cell(upper / lower if upper is not None and lower else None, " ×")


def table(figures, unit):
    lines = [f"| | floor ({unit}) | winscard ({unit}) | pcscd ({unit}) | winscard / floor | pcscd / winscard |", "|---|--:|--:|--:|--:|--:|"]
    for measure, text in MEASURES:
        floor = figures.get(("floor", SAME_FLOOR.get(measure, measure)))
        ours, pcscd = figures.get(("ours", SAME_CALL.get(measure, measure))), figures.get(("pcscd", measure))
        if ours or pcscd:
            lines.append(f"| {text} | {cell(floor)} | {cell(ours)} | {cell(pcscd)} | {ratio(ours, floor)} | {ratio(pcscd, ours)} |")
    return "\n".join(lines)


COLUMNS = [("floor", "floor: the same bytes by usbfs ioctls", "#9aa0a6"), ("ours", "winscard", "#1a73e8"), ("pcscd", "pcscd + libccid", "#e8710a")]


def plot(figures):
    """Horizontal bars on a logarithmic scale, which needs no library and shows ratios as lengths."""
    rows = [(text, [figures.get((column, {"floor": SAME_FLOOR, "ours": SAME_CALL}.get(column, {}).get(key, key))) for column, _, _ in COLUMNS]) for key, text in MEASURES]
    rows = [(text.replace("`", ""), values) for text, values in rows if any(values)]
    bar, gap, left, width, top = 9, 9, 400, 480, 56
    height = top + len(rows) * (3 * bar + gap) + 30
    known = [value for _, values in rows for value in values if value]
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    x = lambda value: left + (math.log10(value) - low) / (high - low) * width
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="10" y="18" font-weight="bold">Time of a call in µs, less is better (logarithmic; emulated machine: only ratios count)</text>',
    ]
    for number, (_, name, colour) in enumerate(COLUMNS):
        out.append(f'<rect x="{10 + number * 250}" y="28" width="10" height="10" fill="{colour}"/><text x="{25 + number * 250}" y="37">{html.escape(name)}</text>')
    for power in range(low, high + 1):
        out.append(f'<line x1="{x(10**power):.1f}" x2="{x(10**power):.1f}" y1="{top - 6}" y2="{height - 24}" stroke="#dddddd"/>')
        out.append(f'<text x="{x(10**power):.1f}" y="{height - 8}" text-anchor="middle" fill="#555555">{10**power:,g}</text>')
    y = top
    for text, values in rows:
        out.append(f'<text x="{left - 8}" y="{y + 1.9 * bar:.1f}" text-anchor="end">{html.escape(text)}</text>')
        for value, (_, _, colour) in zip(values, COLUMNS):
            if value:
                out.append(f'<rect x="{left}" y="{y}" width="{max(x(value) - left, 1):.1f}" height="{bar - 1}" fill="{colour}"/>')
                out.append(f'<text x="{x(value) + 4:.1f}" y="{y + bar - 1}" font-size="9" fill="#555555">{cell(value)}</text>')
            y += bar
        y += gap
    return "\n".join([*out, "</svg>", ""])


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


HEAD = """Made by `benches/run`; what stands behind it is in its first lines.

## By the clock

{}

![](results.svg)

## By instructions

Thousands of instructions of the guest, kernel and programs together; the same every time, on any machine.

{}
"""


def main():
    figures, counted, folder, *readme_path = read(sys.argv[1]), read(sys.argv[2]), *sys.argv[3:]
    counted = {key: value for key, value in counted.items() if key[1] not in WAITING}
    text, counts = table(figures, "µs"), table(counted, "1,000")
    print(text, counts, sep="\n\n")
    write(os.path.join(folder, "results.md"), HEAD.format(text, counts))
    write(os.path.join(folder, "results.svg"), plot(figures))
    if readme_path:
        with open(readme_path[0], encoding="utf-8") as file:
            readme = file.read()
        head, begin, rest = readme.partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not begin or not end:
            sys.exit(f"{readme_path[0]} lacks the lines {BEGIN} and {END}")
        picture = "![The same as bars](benches/results.svg)"
        write(readme_path[0], f"{head}{BEGIN}\n{text}\n\n{picture}\n{END}{tail}")


if __name__ == "__main__":
    main()
