"""The one picture: CPU time of an authenticated request, a dot a proxy and its range, on a logarithmic axis."""

import html
import math

WIDTH, LEFT, RIGHT, STEP, TOP = 760, 210, 90, 30, 56

# Both kinds of page: the reader's own setting decides.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .small { font-size: 12px; fill: #57606a }
  .grid { stroke: #d0d7de } .range { stroke: #8c959f; stroke-width: 3 } .dot { fill: #57606a }
  .ours .range { stroke: #54aeff } .ours .dot { fill: #0969da } .ours text { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .grid { stroke: #30363d } .range { stroke: #656c76 } .dot { fill: #b1bac4 }
    .ours .range { stroke: #1f6feb } .ours .dot { fill: #79c0ff }
  }
"""


def ticks(low, high):
    """1, 2 and 5 of every power of ten between them."""
    found = [digit * 10**power for power in range(-1, 6) for digit in (1, 2, 5)]
    return [tick for tick in found if low <= tick <= high]


def draw(rows):
    """`rows`: name, median, least, most; the cheapest comes first."""
    rows = sorted(rows, key=lambda row: row[1])
    marks = ticks(0, 1e6)
    low = max([mark for mark in marks if mark <= min(row[2] for row in rows)], default=marks[0])
    high = min([mark for mark in marks if mark >= max(row[3] for row in rows)], default=marks[-1])
    across = lambda value: LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / low) / math.log(high / low)
    bottom = TOP + STEP * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" role="img" aria-labelledby="t">']
    parts.append(f"<style>{STYLE}</style>")
    parts.append('<title id="t">CPU time of the proxy for each request of 1 KiB</title>')
    parts.append('<text class="title" x="12" y="24">CPU time of the proxy for each request of 1 KiB, in microseconds</text>')
    parts.append('<text class="small" x="12" y="42">median and range over the rounds; the axis is logarithmic, less is better</text>')
    for mark in ticks(low, high):
        x = across(mark)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{mark:,g}</text>')
    for at, (name, middle, least, most) in enumerate(rows):
        y = TOP + STEP * at + STEP / 2
        ours = ' class="ours"' if name.startswith("rolegate") else ""
        parts.append(f"<g{ours}>")
        parts.append(f'<text x="{LEFT - 14}" y="{y + 4.5:.1f}" text-anchor="end">{html.escape(name)}</text>')
        parts.append(f'<line class="range" x1="{across(least):.1f}" y1="{y:.1f}" x2="{across(most):.1f}" y2="{y:.1f}" stroke-linecap="round"/>')
        parts.append(f'<circle class="dot" cx="{across(middle):.1f}" cy="{y:.1f}" r="5.5"/>')
        parts.append(f'<text x="{across(most) + 12:.1f}" y="{y + 4.5:.1f}">{middle:.1f}</text>')
        parts.append("</g>")
    return "\n".join(parts) + "\n</svg>\n"
