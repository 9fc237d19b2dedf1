#!/usr/bin/env python3
"""Times one run of single jobs on one worker and on two, one thread each, in turns.

    bench/workers_bench.py --models .demo/models --datasets .demo/datasets [--rounds 3]

Prints the seconds from the run's creation to its end as the server has them, and the ratio of the medians. Exit code 1 if two
workers need more than --most of one worker's time. Wants as many idle cores as workers.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def seconds_of_run(arguments, workers):
    with tempfile.TemporaryDirectory() as folder:
        output = subprocess.run(
            [arguments.rwku, "local", "--data-dir", folder, "--workers", str(workers), "--threads", "1",
             "--models", arguments.models, "--datasets", arguments.datasets,
             "submit", "--model", arguments.model, "--dataset", arguments.dataset, "--wait", "--output", "json",
             "--method", "ga:full,lr=6e-4,batch=8,epochs=4,accumulation=1,warmup=2",
             "--method", "npo:lora,lr=5e-3,batch=8,epochs=4,accumulation=1,warmup=2"],
            check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout
    run = json.loads(output)
    if run["state"] != "RUN_STATE_SUCCEEDED":
        sys.exit(f"workers_bench: the run ended as {run['state']}")
    created, ended = (datetime.datetime.fromisoformat(run[key]) for key in ("create_time", "end_time"))
    return (ended - created).total_seconds(), int(run["jobs"]["succeeded"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rwku", default=str(ROOT / "build/release/bin/rwku"))
    parser.add_argument("--models", default=str(ROOT / ".demo/models"))
    parser.add_argument("--datasets", default=str(ROOT / ".demo/datasets"))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=float, default=0.55)
    arguments = parser.parse_args()
    times = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for workers, taken in times.items():
            seconds, jobs = seconds_of_run(arguments, workers)
            taken.append(seconds)
            print(f"{workers} worker{'s' if workers > 1 else ''}: {jobs} jobs in {seconds:.2f} s", flush=True)
    ratio = statistics.median(times[2]) / statistics.median(times[1])
    print(f"two workers need {ratio:.3f} of one worker's time; at most {arguments.most} is allowed")
    return 0 if ratio <= arguments.most else 1


if __name__ == "__main__":
    sys.exit(main())
