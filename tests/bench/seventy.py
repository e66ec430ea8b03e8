#!/usr/bin/env python3
"""A 70B shape in Q4_0 (38.8 GB) on eight devices of 1 GiB each.

All on this machine, each device with its own store; nothing else may be at work
here:

  tests/bench/seventy.py --shoal build/release/shoal --work /var/tmp/seventy

Needs 41 GB of disk and 16 GiB of free memory, and says what there is. Prints a
table for docs/performance.md; the peaks are those that the kernel counted. The
weights are deleted at the end unless --keep is given.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import lab_fleet
from lab_fleet import MIB

DISK_BYTES = 41 * 10**9
MEMORY_BYTES = 16 << 30


def parse_arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--shoal", default="build/release/shoal")
  parser.add_argument("--work", default=os.path.join(
      tempfile.gettempdir(), "shoal-seventy"), help="a folder on the disk")
  parser.add_argument("--shape", default="llama-2-70b")
  parser.add_argument("--devices", type=int, default=8)
  parser.add_argument("--memory-mib", type=int, default=1024)
  parser.add_argument("--ctx", type=int, default=512)
  parser.add_argument("--tokens", type=int, default=4)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--keep", action="store_true")
  parser.add_argument("--short-of-room", action="store_true",
                      help="go on with less disk or memory (smaller shapes)")
  return parser.parse_args()


def check_room(arguments):
  made = os.path.exists(os.path.join(arguments.work, lab_fleet.MODEL))
  disk = lab_fleet.free_bytes(arguments.work)
  memory = lab_fleet.available_memory()
  print("%d cores, %.1f GiB of memory available, %.1f GB of disk free%s\n" %
        (os.cpu_count(), memory / (1 << 30), disk / 1e9,
         ", the stores are made" if made else ""), flush=True)
  if arguments.short_of_room:
    return 0
  if disk < DISK_BYTES and not made:
    lab_fleet.fail("%.0f GB of disk are needed in %s" %
                   (DISK_BYTES / 1e9, arguments.work))
  if memory < MEMORY_BYTES:
    lab_fleet.fail("%d GiB of free memory are needed" % (MEMORY_BYTES >> 30))
  return DISK_BYTES


def children_of(pid):
  try:
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
      return [int(word) for word in file.read().split()]
  except OSError:
    return []


def name_of(pid):
  """What a worker of --local was told to be called."""
  try:
    with open("/proc/%d/cmdline" % pid, "rb") as file:
      words = file.read().decode().split("\0")
    return words[words.index("--name") + 1]
  except (OSError, ValueError, IndexError):
    return None


def run(arguments, model, names):
  command = [arguments.shoal, "run", "-m", model, "--local",
             str(arguments.devices), "--store", arguments.work, "--memory",
             "%dMiB" % arguments.memory_mib, "--threads", "1", "--ctx",
             str(arguments.ctx), "--prompt-ids", "1,300", "--max-tokens",
             str(arguments.tokens), "--ignore-eos", "--temperature", "0",
             "--json"]
  watch = lab_fleet.Watch()
  errors = os.path.join(arguments.work, "run.log")
  try:
    with open(errors, "wb") as log:
      process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    watch.add(names[0], process.pid)
    while process.poll() is None and len(watch.pids) < len(names):
      for pid in children_of(process.pid):
        name = name_of(pid)
        if name:
          watch.add(name, pid)
    output = process.communicate()[0]
  finally:
    watch.stop()
  if process.returncode != 0:
    with open(errors) as log:
      lab_fleet.fail("the run failed:\n" + log.read())
  result = lab_fleet.json.loads(output)
  result["outside"] = {
      name: {"peak": peak, "read": watch.reads.get(name, 0)}
      for name, peak in watch.peaks.items()}
  return result


def report(arguments, result, rate):
  took = result["ms_per_token"]
  devices = result["devices"]
  read = sum(device["read_bytes_per_pass"] for device in devices)
  aggregate = read / took * 1000
  allowed = rate
  peaks = [outside["peak"] for outside in result["outside"].values()]
  budget = arguments.memory_mib * MIB
  print("### %s, Q4_0, %d devices of %d MiB, context %d\n" %
        (arguments.shape, len(devices), arguments.memory_mib, arguments.ctx))
  print("%.2f s per pass; %.1f GB read per pass, %.0f MB/s together; %.0f MB/s "
        "by %d `shoal bench disk` at once: %.0f %%, bar 90 %%: %s.\n" %
        (took / 1000, read / 1e9, aggregate / 1e6, allowed / 1e6, len(devices),
         100 * aggregate / allowed,
         "met" if aggregate >= 0.9 * allowed else "MISSED"))
  within = len(peaks) == len(devices) and max(peaks) <= budget
  print("Largest VmHWM %.1f MiB of %d processes: %s. Bytes of units sent: %d.\n" %
        (max(peaks, default=0) / MIB, len(peaks),
         "within the budget" if within else "OVER", result["unit_bytes_sent"]))
  print(lab_fleet.table(lab_fleet.DEVICE_HEAD, lab_fleet.device_rows(result)))


def main():
  arguments = parse_arguments()
  arguments.shoal = os.path.abspath(arguments.shoal)
  arguments.work = os.path.abspath(arguments.work)
  existed = os.path.exists(arguments.work)
  os.makedirs(arguments.work, exist_ok=True)
  try:
    needed = check_room(arguments)
    names = ["local-%d" % i for i in range(arguments.devices)]
    model = lab_fleet.make_stores(arguments.shoal, arguments.shape,
                                  arguments.work, names, needed)
    files = lab_fleet.store_files(arguments.work, names)
    # In turns, because a disk's rate drifts.
    results = []
    rates = {}
    for _ in range(arguments.rounds):
      results.append(run(arguments, model, names))
      engine = results[0]["devices"][0]["io"]
      for key, rate in lab_fleet.bench_disk_rates(
          arguments.shoal, files, "uring" if "uring" in engine else "pread",
          time="400ms").items():
        rates.setdefault(key, []).append(rate[0])
    results.sort(key=lambda result: result["ms_per_token"])
    report(arguments, results[arguments.rounds // 2],
           max(statistics.median(turns) for turns in rates.values()))
  finally:
    if not arguments.keep and not existed:
      shutil.rmtree(arguments.work)
  return 0


if __name__ == "__main__":
  sys.exit(main())
