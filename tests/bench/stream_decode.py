#!/usr/bin/env python3
"""Decoding with weights from the disk, beside what the disk allows.

Needs Python 3.8, root, the lab (lab_fleet.py) and a built `shoal`; nothing else
may be at work here:

  tests/bench/stream_decode.py --shoal build/release/shoal --work /var/tmp/bench

--cases: disk      four devices, a 1.1B shape, each with its floor and a quarter
                   of its share, a slow disk: time per pass against the bytes
         balanced  the same with a disk so fast that reading takes as long as
                   the rest, and with scalar code, so that there is such a disk
         seven     a 7B shape under 1.5 GB, on one device and on two, with
                   disks of 1.3 GB/s together, and with this machine's as it is
         resident  the 1.1B shape on one device that holds it: --weights auto
                   beside --weights resident, in ten pairs
         processor the 1.1B shape on one device: processor time of a pass that
                   waits for the disk beside one with all in memory
         mapped    the 7B shape on one device with memory for half of it, beside
                   our reader of mapped files and a buffered dd

Stores are made in --work (0.6 GB; 7.7 GB more for `seven`) and stay there.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import lab_fleet
from lab_fleet import MIB

CTX = ["--ctx", "128", "--chunk", "16"]


def parse_arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--shoal", default="build/release/shoal")
  parser.add_argument("--lab", help="the lab's folder ($SHOAL_LAB_DIR)")
  parser.add_argument("--work", required=True, help="a folder on the disk")
  parser.add_argument("--cases", default="disk,balanced,seven,resident,processor,mapped")
  parser.add_argument("--devices", type=int, default=4)
  parser.add_argument("--disk-read", type=float, default=200,
                      help="MB/s of each device's disk in the case `disk`")
  parser.add_argument("--seven-disk", type=float, default=1300,
                      help="MB/s of all disks together in the case `seven`")
  parser.add_argument("--tokens", type=int, default=24)
  return parser.parse_args()


def names_of(count):
  if count == 1:
    return ["local-0"]
  return ["edge%d" % number for number in range(1, count + 1)]


def report(title, result, allowed_ms, factor):
  took = result["ms_per_token"]
  print("### %s\n" % title)
  print("%.1f ms per pass; %.1f allowed by the slower side; ratio %.3f, bar "
        "%.2f: %s\n" % (took, allowed_ms, took / allowed_ms, factor,
                        "met" if took <= factor * allowed_ms else "MISSED"))
  print(lab_fleet.table(lab_fleet.DEVICE_HEAD, lab_fleet.device_rows(result)))
  print(flush=True)


def disk_ms(result, rate):
  """Of the device that must read longest."""
  return max(1000 * (device["share_bytes"] - device["resident_bytes"]) / rate
             for device in result["devices"])


def small_fleet(arguments, isa="auto"):
  """The 1.1B shape: its folder, and the budgets of the first two cases."""
  count = arguments.devices
  folder = os.path.join(arguments.work, "tinyllama-%d-%s" % (count, isa))
  model = lab_fleet.make_stores(arguments.shoal, "tinyllama-1.1b", folder,
                                names_of(count), 800 * MIB, isa)
  plan = lab_fleet.shoal_json(arguments.shoal, "plan", "-m", model, "--local",
                              str(count), "--memory", "1GiB", *CTX)
  return folder, [device["floor_bytes"] + device["share_bytes"] // 4
                  for device in plan["devices"]]


def case_disk(arguments, lab_folder):
  folder, budgets = small_fleet(arguments)
  rate = arguments.disk_read * 1e6
  with lab_fleet.Lab(lab_folder, arguments.work, arguments.devices,
                     "%d" % rate) as lab:
    result = lab_fleet.run_in_lab(lab, arguments.shoal, folder, budgets,
                                  arguments.tokens, CTX)
  report("%d devices, floor and a quarter of the share, disks of %.0f MB/s" %
         (arguments.devices, rate / 1e6), result, disk_ms(result, rate), 1.05)


def case_balanced(arguments, lab_folder):
  # Vector code computes faster than the devices' common disk can read.
  folder, budgets = small_fleet(arguments, "scalar")
  with lab_fleet.Lab(lab_folder, arguments.work, arguments.devices) as lab:
    resident = lab_fleet.run_in_lab(
        lab, arguments.shoal, folder, [1024 * MIB] * arguments.devices,
        arguments.tokens, CTX + ["--weights", "resident"], "scalar")
  rest_ms = resident["ms_per_token"]
  first = resident["devices"][0]
  # What stays in memory is known only with the budgets; about a quarter.
  rate = 0.75 * first["share_bytes"] / rest_ms * 1000
  with lab_fleet.Lab(lab_folder, arguments.work, arguments.devices,
                     "%d" % rate) as lab:
    result = lab_fleet.run_in_lab(lab, arguments.shoal, folder, budgets,
                                  arguments.tokens, CTX, "scalar")
  report("Balanced: all in memory %.1f ms per pass, scalar code, disks of %.0f "
         "MB/s" % (rest_ms, rate / 1e6), result,
         max(rest_ms, disk_ms(result, rate)), 1.15)


ROUNDS = 3


def median(values):
  return sorted(values)[len(values) // 2]


def runs_beside_disk(arguments, lab, files, run):
  """Runs in turns with bench disk, because a disk's rate drifts. The run of
  middle speed; and bytes per second of all files together, alone and beside
  products, of the request size and depth that give most, each by the median of
  its turns."""
  rates = {}
  results = []
  for _ in range(ROUNDS):
    results.append(run())
    engine = "uring" if "uring" in results[0]["devices"][0]["io"] else "pread"
    for key, rate in lab_fleet.bench_disk_rates(arguments.shoal, files, engine,
                                                lab, "150ms").items():
      rates.setdefault(key, []).append(rate)
  results.sort(key=lambda result: result["ms_per_token"])
  alone, beside = [
      max(median([turn[kind] for turn in turns]) for turns in rates.values())
      for kind in (0, 1)]
  return results[ROUNDS // 2], alone, beside


def case_seven(arguments, lab_folder):
  limit = 1500 * 1000 * 1000
  flags = ["--ctx", "512", "--chunk", "16"]
  tokens = max(4, arguments.tokens // 4)
  for count in (1, 2):
    names = names_of(count)
    folder = os.path.join(arguments.work, "llama-2-7b-%d" % count)
    lab_fleet.make_stores(arguments.shoal, "llama-2-7b", folder, names,
                          4200 * MIB)

    def run(lab):
      return lab_fleet.run_in_lab(lab, arguments.shoal, folder,
                                  [limit - 64 * MIB] * count, tokens, flags)

    title = "7B shape, %d device(s) of 1.5 GB, disks of %.0f MB/s each"
    rate = arguments.seven_disk * 1e6 / count
    with lab_fleet.Lab(lab_folder, arguments.work, count, "%d" % rate,
                       memory=[limit] * count) as lab:
      results = sorted((run(lab) for _ in range(ROUNDS)),
                       key=lambda result: result["ms_per_token"])
    result = results[ROUNDS // 2]
    report(title % (count, rate / 1e6), result, disk_ms(result, rate), 1.1)
    with lab_fleet.Lab(lab_folder, arguments.work, count,
                       memory=[limit] * count) as lab:
      files = lab_fleet.store_files(folder, names)
      result, rate, beside = runs_beside_disk(arguments, lab, files,
                                              lambda: run(lab))
    rate /= count
    beside /= count
    report((title + " by bench disk") % (count, rate / 1e6), result,
           disk_ms(result, rate), 1.1)
    print("Beside products the disk gave %.0f MB/s: %.1f ms, ratio %.3f.\n" %
          (beside / 1e6, disk_ms(result, beside),
           result["ms_per_token"] / disk_ms(result, beside)), flush=True)


def case_resident(arguments, _):
  folder = os.path.join(arguments.work, "tinyllama-1")
  model = lab_fleet.make_stores(arguments.shoal, "tinyllama-1.1b", folder,
                                names_of(1), 800 * MIB)
  ratios = []
  read = 0
  for _ in range(10):
    took = {}
    for mode in ("auto", "resident"):
      result = lab_fleet.shoal_json(
          arguments.shoal, "run", "-m", model, "--store", folder, "--weights",
          mode, "--ctx", "512", "--prompt-ids", "1,300,301,302",
          "--max-tokens", str(4 * arguments.tokens), "--ignore-eos",
          "--temperature", "0")
      took[mode] = result["ms_per_token"]
      read += sum(device["read_bytes_per_pass"] for device in result["devices"])
    ratios.append(took["resident"] / took["auto"])
  ratios.sort()
  median = (ratios[4] + ratios[5]) / 2
  print("### Everything fits\n")
  print("Rate of auto by that of resident in ten pairs: median %.3f (%.2f to "
        "%.2f), bar 0.97: %s; %d bytes read per pass.\n" %
        (median, ratios[0], ratios[-1], "met" if median >= 0.97 else "MISSED",
         read), flush=True)


def processor_seconds(arguments, model, folder, tokens, more):
  """User and system time of one run."""
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  lab_fleet.shoal_json(
      arguments.shoal, "run", "-m", model, "--store", folder, "--threads", "1",
      "--prompt-ids", "1,300,301,302", "--max-tokens", str(tokens),
      "--ignore-eos", "--temperature", "0", "--ctx", "512", "--chunk", "16",
      *more)
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def case_processor(arguments, _):
  folder = os.path.join(arguments.work, "tinyllama-1")
  model = lab_fleet.make_stores(arguments.shoal, "tinyllama-1.1b", folder,
                                names_of(1), 800 * MIB)
  modes = {"resident": ["--weights", "resident"],
           "streamed": ["--weights", "stream", "--memory", "150MiB"]}
  # Loading takes seconds of a run with all in memory, which vary.
  passes = {"resident": 10 * arguments.tokens, "streamed": 2 * arguments.tokens}
  per_pass = {mode: [] for mode in modes}
  for _ in range(ROUNDS):
    for mode, more in modes.items():
      # What comes before the passes cancels out.
      few, many = (processor_seconds(arguments, model, folder, count, more)
                   for count in (2, 2 + passes[mode]))
      per_pass[mode].append(1000 * (many - few) / passes[mode])
  resident, streamed = (median(per_pass[mode])
                        for mode in ("resident", "streamed"))
  print("### Processor time of a pass\n")
  print("%.1f ms with all in memory, %.1f ms with all from the disk: %.2f x, bar "
        "1.50: %s.\n" % (resident, streamed, streamed / resident,
                         "met" if streamed <= 1.5 * resident else "MISSED"),
        flush=True)


def dd_rate(lab, path):
  """Bytes per second of a buffered reading of a whole file."""
  begin = time.monotonic()
  subprocess.run(lab.command(1, ["dd", "if=" + path, "of=/dev/null", "bs=4M",
                                 "status=none"]), check=True)
  return os.path.getsize(path) / (time.monotonic() - begin)


def case_mapped(arguments, lab_folder):
  names = names_of(1)
  folder = os.path.join(arguments.work, "llama-2-7b-1")
  lab_fleet.make_stores(arguments.shoal, "llama-2-7b", folder, names,
                        4200 * MIB)
  path = lab_fleet.store_files(folder, names)[0]
  limit = os.path.getsize(path) // 2
  flags = ["--ctx", "512", "--chunk", "16"]
  tokens = max(4, arguments.tokens // 4)
  rates = []
  turns = []  # of the mapped reader, of our own
  with lab_fleet.Lab(lab_folder, arguments.work, 1, memory=[limit]) as lab:
    for _ in range(ROUNDS):
      rates.append(dd_rate(lab, path))
      turns.append([
          lab_fleet.run_in_lab(lab, arguments.shoal, folder, [limit - 64 * MIB],
                               tokens, flags + more)
          for more in (["--io", "mmap", "--weights", "stream"], [])])
  mapped, own = [
      sorted(results, key=lambda result: result["ms_per_token"])[ROUNDS // 2]
      for results in zip(*turns)]
  dd = median(rates)
  rate = mapped["devices"][0]["share_bytes"] / mapped["ms_per_token"] * 1000
  print("### 7B shape, one device with memory for half of it\n")
  print("Mapped file %.1f ms per pass, %.0f MB/s; dd %.0f MB/s: %.2f of it, bar "
        "0.80: %s.\n" % (mapped["ms_per_token"], rate / 1e6, dd / 1e6, rate / dd,
                         "met" if rate >= 0.8 * dd else "MISSED"))
  gain = mapped["ms_per_token"] / own["ms_per_token"]
  print("Window and residents %.1f ms per pass: %.2f x as fast, bar 1.5: %s.\n" %
        (own["ms_per_token"], gain, "met" if gain >= 1.5 else "MISSED"))
  print(lab_fleet.table(lab_fleet.DEVICE_HEAD, lab_fleet.device_rows(own)))
  print(flush=True)


def main():
  arguments = parse_arguments()
  arguments.shoal = os.path.abspath(arguments.shoal)
  arguments.work = os.path.abspath(arguments.work)
  os.makedirs(arguments.work, exist_ok=True)
  lab_folder = lab_fleet.lab_folder(arguments)
  cases = {"disk": case_disk, "balanced": case_balanced, "seven": case_seven,
           "resident": case_resident, "processor": case_processor,
           "mapped": case_mapped}
  for case in arguments.cases.split(","):
    if case not in cases:
      sys.exit("case %s is unknown; there are %s" % (case, ", ".join(cases)))
    cases[case](arguments, lab_folder)


if __name__ == "__main__":
  main()
