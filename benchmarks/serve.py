"""Load test of `gazeclip serve`: throughput and waiting times, and whether overload loses anything.

    python -m benchmarks.serve --bundle BUNDLE

First so many clients ask, each again as soon as it was answered, for each size of batch. Then
requests come by the clock at four times the largest rate that was reached: each must be answered,
200 or 429. Client and server share this machine, so the figures are lower than those of a server
that has it for itself, and the more cores the client needs the more so.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.load.client import Sample, write_request
from benchmarks.load.figures import PERCENTILES, count_unanswered, describe_samples
from benchmarks.load.loops import Target, ask_by_the_clock, ask_in_turn
from benchmarks.load.server import HOST, Server, run_server
from benchmarks.measure.machine import describe_machine
from gazeclip.cli.guard import guard
from gazeclip.console.lines import print_line
from gazeclip.console.parser import CommandParser
from gazeclip.console.progress import say
from gazeclip.console.tables import MISSING, Table, print_table
from gazeclip.errors import ConfigError
from gazeclip.faces.dataset import render_golden
from gazeclip.files.atomic import write_json
from gazeclip.images.crop_rule import CROPS

_WARM_UP_SECONDS = 0.5
_MEMORY = "process_resident_memory_bytes"


def main(argv: list[str]) -> int:
    """Measure and print; 1 if a request got another answer than 200 or 429, or none."""
    args = parse_options(argv)
    picture = args.image.read_bytes() if args.image else draw_picture(args.size)
    request = write_request("/verify", picture)
    closed, unanswered = measure_closed(args, request)
    fastest = max(closed, key=lambda row: row["judged_per_second"])
    overload, lost = measure_overload(args, request, fastest["judged_per_second"])
    report = {
        "machine": describe_machine(),
        "bundle": str(args.bundle),
        "crop": args.crop or "as the bundle says",
        "image_bytes": len(picture),
        "closed": closed,
        "overload": overload,
        "neither_200_nor_429": unanswered + lost,
    }
    print_report(report)
    if args.json:
        write_json(args.json, report)
    return int(unanswered + lost > 0 or overload["exit_code"] != 0)


def parse_options(argv: list[str]) -> argparse.Namespace:
    """The options, checked."""
    parser = CommandParser(
        prog="python -m benchmarks.serve", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR")
    parser.add_argument("--engine")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--crop", choices=CROPS, help="default: as the bundle says")
    parser.add_argument("--image", type=Path, help="a JPEG to send (default: a drawn face)")
    parser.add_argument("--size", type=int, default=224, help="pixels of the drawn face")
    parser.add_argument("--batches", type=parse_numbers, default=(1, 8, 16), metavar="N,N,...")
    parser.add_argument("--clients", type=parse_numbers, default=(1, 8, 32), metavar="N,N,...")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--factor", type=float, default=4.0, help="of the overload")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    args = parser.parse_args(argv)
    if args.seconds <= 0 or args.factor <= 0 or not 16 <= args.size <= 4096:
        what = "--seconds and --factor must be above 0, --size 16 to 4096"
        raise ConfigError(what, remedy="Use the defaults")
    return args


def parse_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers of at least 1, with commas between them."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is no list such as 1,8,32")
    return tuple(int(part) for part in parts)


def measure_closed(args: argparse.Namespace, request: bytes) -> tuple[list[dict[str, Any]], int]:
    """Figures for each size of batch and number of clients, and how many got no orderly answer."""
    rows = []
    unanswered = 0
    for batch in args.batches:
        with run_server(*_list_options(args, batch)) as server:
            target = Target(HOST, server.port, request)
            asyncio.run(ask_in_turn(target, max(args.clients), _WARM_UP_SECONDS))
            for clients in args.clients:
                say(f"batch {batch}, {clients} clients")
                figures, samples = _measure(server, ask_in_turn(target, clients, args.seconds))
                unanswered += count_unanswered(samples)
                rows.append({"batch": batch, "clients": clients, **figures})
    return rows, unanswered


def measure_overload(
    args: argparse.Namespace, request: bytes, sustainable: float
) -> tuple[dict[str, Any], int]:
    """Figures of requests by the clock, and how many of them got no orderly answer."""
    rate = args.factor * sustainable
    batch = max(args.batches)
    with run_server(*_list_options(args, batch)) as server:
        target = Target(HOST, server.port, request)
        asyncio.run(ask_in_turn(target, 1, _WARM_UP_SECONDS))
        say(f"batch {batch}, {rate:.0f} requests/s by the clock")
        figures, samples = _measure(server, ask_by_the_clock(target, rate, args.seconds))
        memory = server.read_counters()[_MEMORY] / 1e6
        code = server.stop()
    overload = {
        "batch": batch,
        "wanted_per_second": round(rate, 1),
        "sent_per_second": round(len(samples) / figures["seconds"], 1),
        **figures,
        "memory_mb": round(memory, 1),
        "exit_code": code,
    }
    return overload, count_unanswered(samples)


def _measure(
    server: Server, asking: Coroutine[Any, Any, Sequence[Sample]]
) -> tuple[dict[str, Any], Sequence[Sample]]:
    before = server.read_counters()
    started = time.perf_counter()
    samples = asyncio.run(asking)
    seconds = time.perf_counter() - started
    after = server.read_counters()
    images, inferences = (
        after[f"gazeclip_batch_images_{name}"] - before[f"gazeclip_batch_images_{name}"]
        for name in ("sum", "count")
    )
    figures = describe_samples(samples, seconds)
    figures["images_per_inference"] = round(images / inferences, 2) if inferences else None
    return figures, samples


def _list_options(args: argparse.Namespace, batch: int) -> list[str]:
    options = ["--bundle", str(args.bundle), "--batch", str(batch)]
    for name in ("engine", "threads", "crop"):
        if getattr(args, name) is not None:
            options += [f"--{name}", str(getattr(args, name))]
    return options


def draw_picture(size: int) -> bytes:
    """A drawn face as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(render_golden(1, size)[0]).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def print_report(report: dict[str, Any]) -> None:
    """Two tables and a line."""
    title = f"each client again as soon as it is answered; {report['image_bytes']} bytes an image, "
    title += f"crop {report['crop']}"
    header = ["batch", "clients", "images/s", "p50 ms", "p95 ms", "p99 ms", "images/inference"]
    rows = []
    for row in report["closed"]:
        rows.append([str(row["batch"]), str(row["clients"]), *_list_cells(row)])
    print_table(Table(header, rows, title=title, left=()), sys.stdout)
    over = report["overload"]
    title = f"{over['wanted_per_second']:g} requests/s by the clock, batch {over['batch']}"
    statuses = [f"{count} x {name}" for name, count in over["statuses"].items()]
    header = ["sent/s", *header[2:], "answers", "MB", "exit code"]
    row = [f"{over['sent_per_second']:.0f}", *_list_cells(over), ", ".join(statuses)]
    row += [f"{over['memory_mb']:.0f}", str(over["exit_code"])]
    print_line()
    print_table(Table(header, [row], title=title, left=()), sys.stdout)
    load = report["machine"]["load_average"]
    print_line(
        f"neither 200 nor 429: {report['neither_200_nor_429']} | {report['machine']['cpu']}, "
        f"{report['machine']['usable_threads']} threads, load average {load}"
    )


def _list_cells(row: dict[str, Any]) -> list[str]:
    values = [row["judged_per_second"], *(row[f"p{percent}_ms"] for percent in PERCENTILES)]
    values.append(row["images_per_inference"])
    return [MISSING if value is None else f"{value:.1f}" for value in values]


if __name__ == "__main__":
    guard(main)
