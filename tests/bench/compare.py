#!/usr/bin/env python3
"""Compares ways of running one model on this machine, beside its limits.

Needs Python 3.8 and a built `shoal`; nothing else may be at work here:

  tests/bench/compare.py --shoal build/release/shoal --output docs/performance.md

Every round runs each case once, so that whatever else happens to the machine
happens to all of them, and measures the machine's limits before each run, so
that a share is one of the limit of that moment; the table has medians and, in
brackets, the spread between the quartiles. Models of random weights are made
with `shoal model synth` where none is given. With --output the table replaces
what is between the two marks in that file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

BEGIN_MARK = "<!-- measured: begin -->"
END_MARK = "<!-- measured: end -->"
MIB = 1 << 20

# Types that `model synth` writes; others are quantised from one of them.
SYNTH_TYPES = ("q4_0", "q8_0", "f16")
QUANTISED_FROM = "f16"

# Name, arguments, threads in all, with a busy neighbour on the last core.
CASES = [
    ("1 process x 1 thread", ["--threads", "1"], 1, False),
    ("1 process x 2 threads", ["--threads", "2"], 2, False),
    ("2 processes x 1 thread", ["--local", "2", "--threads", "1"], 2, False),
    ("2 processes x 1 thread, f32",
     ["--local", "2", "--threads", "1", "--payload", "f32"], 2, False),
    ("4 processes x 1 thread", ["--local", "4", "--threads", "1"], 4, False),
    ("1 process x 1 thread, busy neighbour", ["--threads", "1"], 1, True),
    ("1 process x 2 threads, busy neighbour", ["--threads", "2"], 2, True),
]


def parse_arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--shoal", default="build/release/shoal")
  parser.add_argument("--types", default="q4_0,q4_k,q8_0")
  parser.add_argument("--shape", default="tinyllama-1.1b")
  parser.add_argument("--models", default=os.path.join(
      tempfile.gettempdir(), "shoal-compare"), help="where models are kept")
  parser.add_argument("--rounds", type=int, default=5)
  parser.add_argument("--prompts", default="128,512")
  parser.add_argument("--decode", type=int, default=48)
  parser.add_argument("--ctx", type=int, default=2048)
  parser.add_argument("--chunk", type=int, default=128)
  parser.add_argument("--idle", type=float, default=10.0,
                      help="seconds to watch idle processes; 0: none")
  parser.add_argument("--output", help="a file with the two marks")
  return parser.parse_args()


def shoal_json(arguments, *command):
  result = subprocess.run([arguments.shoal, *command, "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=600, check=False)
  if result.returncode != 0:
    sys.exit("%s failed:\n%s" % (" ".join(command), result.stderr.decode()))
  return json.loads(result.stdout)


def model_of(arguments, weight_type):
  os.makedirs(arguments.models, exist_ok=True)
  path = os.path.join(arguments.models,
                      "%s-%s.gguf" % (arguments.shape, weight_type))
  if not os.path.exists(path):
    if weight_type in SYNTH_TYPES:
      command = ["synth", "--shape", arguments.shape, "--type", weight_type,
                 "-o", path]
    else:
      command = ["quantize", model_of(arguments, QUANTISED_FROM), path,
                 "--type", weight_type]
    subprocess.run([arguments.shoal, "model", *command], check=True)
  return path


class BusyNeighbour:
  """A process that takes what it gets of the last core."""

  def __init__(self, wanted):
    self.wanted = wanted
    self.process = None

  def __enter__(self):
    if self.wanted:
      core = max(os.sched_getaffinity(0))
      # It ends with this script, however that ends.
      loop = "import os\nwhile os.getppid() == %d: pass" % os.getpid()
      self.process = subprocess.Popen(
          [sys.executable, "-c", loop],
          preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    return self

  def __exit__(self, *_):
    if self.process:
      self.process.kill()
      self.process.wait()


def run_case(arguments, model, case, prompt, decode):
  _, flags, _, busy = case
  ids = ",".join(str(300 + i % 700) for i in range(prompt))
  with BusyNeighbour(busy):
    return shoal_json(
        arguments, "run", "-m", model, "--prompt-ids", ids, "--max-tokens",
        str(decode), "--ignore-eos", "--temperature", "0", "--weights",
        "resident", "--ctx", str(arguments.ctx), "--chunk",
        str(arguments.chunk), *flags)


def spread_text(values, form="%.1f"):
  values = sorted(values)
  middle = statistics.median(values)
  if len(values) < 4:
    return form % middle
  quarters = statistics.quantiles(values, n=4)
  return "%s (%s)" % (form % middle, form % (quarters[2] - quarters[0]))


def weights_of(arguments, model):
  """Bytes that a token reads, and multiply-adds of a token of a prompt."""
  shape = shoal_json(arguments, "model", "inspect", model)
  read_bytes = sum(entry["bytes"] for kind, entry in shape["units"].items()
                   if kind != "hub")
  # The shapes that `model synth` makes are llama's: the heads are together as
  # wide as the residual, and the feed-forward has three matrices. The last
  # token alone meets the head.
  width = shape["hidden"]
  macs = shape["layers"] * width * (2 * width + 3 * shape["ffn_width"])
  return read_bytes, macs + width * shape["kv_elements_per_position"]


def measure_type(arguments, weight_type):
  model = model_of(arguments, weight_type)
  prompts = [int(count) for count in arguments.prompts.split(",")]
  results = {(case[0], prompt): [] for case in CASES for prompt in prompts}
  limits = {}
  for case in CASES:  # stores are written and files read for the first time
    run_case(arguments, model, case, 8, 2)
  for number in range(arguments.rounds):
    for case in CASES:
      for prompt in prompts:
        print("%s, round %d of %d: %s, prompt of %d" %
              (weight_type, number + 1, arguments.rounds, case[0], prompt),
              file=sys.stderr)
        now = limits_now(arguments)
        for count, entry in now.items():
          known = limits.setdefault(count, {})
          for key, value in entry.items():
            known.setdefault(key, []).append(value)
        run = run_case(arguments, model, case, prompt, arguments.decode)
        run["limits"] = now
        results[case[0], prompt].append(run)
  return model, prompts, results, limits


def limits_now(arguments):
  """By the number of threads."""
  measured = shoal_json(arguments, "bench", "cpu", "--limits", "--time", "20ms")
  return {entry["threads"]: entry for entry in measured["limits"]}


def share_text(runs, amount_of, key, threads):
  """Of the limit before each run; of as many threads, or as there are cores."""
  shares = []
  for run in runs:
    limits = run["limits"]
    limit = limits[max(count for count in limits if count <= threads)][key]
    shares.append(100 * amount_of(run) / limit)
  return "%.0f" % statistics.median(shares)


def giga(values):
  return spread_text([value / 1e9 for value in values])


def decode_rate(run):
  return run["tokens_per_second"]


def prompt_rate(run):
  return 1000 * run["prompt_tokens"] / run["time_to_first_token_ms"]


def exchange_text(runs):
  """Of the time of a decode pass, on the rank that exchanges longest."""
  shares = []
  for run in runs:
    parts = [[device[part + "_ms_per_pass"]
              for part in ("exchange", "compute", "stall", "wait")]
             for device in run["devices"]]
    shares.append(max(times[0] / sum(times) for times in parts))
  return "%.1f" % (100 * statistics.median(shares))


def memory_text(runs):
  """What the first process takes beyond its weights and its cache."""
  beyond = []
  for run in runs:
    device = run["devices"][0]
    beyond.append((device["peak_rss_bytes"] - device["resident_bytes"] -
                   device["kv_bytes"]) / MIB)
  return "%.0f" % max(beyond)


def table_for(arguments, weight_type):
  model, prompts, results, limits = measure_type(arguments, weight_type)
  read_bytes, prompt_macs = weights_of(arguments, model)
  lines = ["### %s %s" % (arguments.shape, weight_type.upper()), ""]
  lines.append("| threads | read GB/s | at its best moments | "
               "integer GMAC/s | f32 GMAC/s |")
  lines.append("|---|---|---|---|---|")
  for threads, entry in sorted(limits.items()):
    lines.append("| %d | %s |" % (threads, " | ".join(giga(entry[key]) for key in (
        "sustained_read_bytes_per_second", "read_bytes_per_second",
        "integer_macs_per_second", "float_macs_per_second"))))
  head = ["case", "decode tok/s", "% of read", "% of best moments",
          "exchange %"]
  for prompt in prompts:
    head += ["prompt of %d tok/s" % prompt, "% of integer peak"]
  head.append("MiB beyond weights and KV")
  lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
  for name, _, threads, _ in CASES:
    runs = [run for prompt in prompts for run in results[name, prompt]]
    decode_runs = results[name, prompts[0]]
    cells = [name, spread_text([decode_rate(run) for run in decode_runs])]
    cells += [share_text(decode_runs,
                         lambda run: decode_rate(run) * read_bytes, key,
                         threads)
              for key in ("sustained_read_bytes_per_second",
                          "read_bytes_per_second")]
    cells.append(exchange_text(decode_runs))
    for prompt in prompts:
      prompt_runs = results[name, prompt]
      cells += [
          spread_text([prompt_rate(run) for run in prompt_runs], "%.0f"),
          share_text(prompt_runs, lambda run: prompt_rate(run) * prompt_macs,
                     "integer_macs_per_second", threads)]
    cells.append(memory_text(runs))
    lines.append("| " + " | ".join(cells) + " |")
  return lines + [""]


def thread_seconds(pid):
  """Of all threads of a process, to the nanosecond."""
  total = 0.0
  for thread in os.listdir("/proc/%s/task" % pid):
    try:
      with open("/proc/%s/task/%s/schedstat" % (pid, thread)) as file:
        total += int(file.read().split()[0]) * 1e-9
    except OSError:
      pass  # it has just ended
  return total


def processor_seconds(pid):
  """Of the process and its children."""
  total = 0.0
  for entry in os.listdir("/proc"):
    if not entry.isdigit():
      continue
    try:
      with open("/proc/%s/stat" % entry) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
      continue
    if int(entry) == pid or int(fields[1]) == pid:
      total += thread_seconds(entry)
  return total


def idle_lines(arguments):
  """A conversation over two processes that waits for its next line."""
  model = model_of(arguments, arguments.types.split(",")[0])
  process = subprocess.Popen(
      [arguments.shoal, "chat", "-m", model, "--local", "2", "--ctx", "256",
       "--max-tokens", "4"], stdin=subprocess.PIPE,
      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
  process.stdin.write(b"hello\n")
  process.stdin.flush()
  process.stdout.read(1)  # the answer has begun
  before = processor_seconds(process.pid)
  while True:  # it has ended when a second takes nothing
    time.sleep(1)
    now = processor_seconds(process.pid)
    if now - before < 0.01:
      break
    before = now
  time.sleep(arguments.idle)
  share = (processor_seconds(process.pid) - now) / arguments.idle
  process.stdin.close()
  process.wait()
  return ["Two processes that wait for the next line of a conversation take "
          "%.2f %% of a core each over %.0f s." %
          (100 * share / 2, arguments.idle), ""]


def machine_line():
  name = platform.processor() or platform.machine()
  try:
    with open("/proc/cpuinfo") as file:
      for line in file:
        if line.startswith("model name"):
          name = line.split(":", 1)[1].strip()
          break
  except OSError:
    pass
  return "%s, %d cores" % (name, os.cpu_count())


def document_of(path):
  try:
    with open(path) as file:
      document = file.read()
  except OSError as error:
    sys.exit("--output %s: %s" % (path, error.strerror))
  if BEGIN_MARK not in document or END_MARK not in document:
    sys.exit("%s has no marks %s and %s" % (path, BEGIN_MARK, END_MARK))
  return document


def main():
  arguments = parse_arguments()
  if arguments.output:
    document_of(arguments.output)  # before hours of measuring
  lines = ["On %s; medians of %d rounds, quartile spread in brackets; prompts "
           "in chunks of %d, context %d." %
           (machine_line(), arguments.rounds, arguments.chunk, arguments.ctx),
           ""]
  for weight_type in arguments.types.split(","):
    lines += table_for(arguments, weight_type)
  if arguments.idle > 0:
    lines += idle_lines(arguments)
  text = "\n".join(lines)
  if not arguments.output:
    print(text)
    return
  document = document_of(arguments.output)
  before = document.split(BEGIN_MARK)[0]
  after = document.split(END_MARK)[1]
  with open(arguments.output, "w") as file:
    file.write("%s%s\n\n%s%s%s" % (before, BEGIN_MARK, text, END_MARK, after))


if __name__ == "__main__":
  main()
