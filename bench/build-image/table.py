"""Tables of what bench/build-image/run measured: the median of each way, and ratios."""
import json
import statistics
import sys


def load(name):
    with open(name) as f:
        return [json.loads(line) for line in f if line.startswith("{")]


runs, growth = load(sys.argv[1]), load(sys.argv[2])
ways = {}
for r in runs:
    ways.setdefault(r["way"], []).append(r)
median = lambda way, key: statistics.median(r.get(key, 0) for r in ways[way])
ours = median("splice", "cpu_s")
print("\n| way | CPU s | times ours | wall s | peak MB | output MB | content MB/s per core |\n|---|---|---|---|---|---|---|")
content = median("splice", "plain_mb")
for way in ways:
    if way == "pip output":
        continue
    cpu = median(way, "cpu_s")
    out = median(way, "out_mb")
    if way.startswith("pip"):
        out = median("pip output", "out_mb") / 1e6
    print(f"| {way} | {cpu:.2f} | {cpu / ours:.1f} | {median(way, 'wall_s'):.2f} | {median(way, 'peak_mb'):.0f} | {out:.1f} | {content / cpu:.0f} |")
print(f"\nwheels: {median('splice', 'wheels'):.0f} with {median('splice', 'wheel_mb'):.1f} MB; output {100 * (median('splice', 'out_mb') / median('splice', 'wheel_mb') - 1):+.2f} % of that\n")
print("| wheels | files | content MB | CPU s | wall s | peak MB | MB/s per core |\n|---|---|---|---|---|---|---|")
for r in growth:
    print(f"| {r['wheels']} | {r['files']} | {r['plain_mb']:.0f} | {r['cpu_s']:.2f} | {r['wall_s']:.2f} | {r['peak_mb']:.0f} | {r['plain_mb'] / r['cpu_s']:.0f} |")
xs = ", ".join(f'"{r["wheels"]} × {r["plain_mb"] / r["wheels"]:.0f} MB, {r["files"]} files"' for r in growth)
print("\n```mermaid\nxychart-beta\n  title \"peak memory, MB\"\n  x-axis [" + xs + "]\n  y-axis \"MB\" 0 --> 300\n  bar [" + ", ".join(f"{r['peak_mb']:.0f}" for r in growth) + "]\n```")
print("\n```mermaid\nxychart-beta\n  title \"CPU seconds\"\n  x-axis [" + xs + "]\n  bar [" + ", ".join(f"{r['cpu_s']:.2f}" for r in growth) + "]\n```")
