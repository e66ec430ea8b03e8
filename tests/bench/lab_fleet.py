"""Runs fleets for the benchmarks of this folder and looks at them from outside.

With the lab (the folder in SHOAL_LAB_DIR, or --lab) each device is a network
namespace with its own memory limit and disk rate; that needs root.
"""

import json
import os
import subprocess
import sys
import threading
import time

MIB = 1 << 20
MODEL = "model.gguf"


def fail(message):
  sys.exit("%s: %s" % (os.path.basename(sys.argv[0]), message))


def proc_values(path, unit):
  """The numbers of a file like /proc/PID/status, by name; empty if gone."""
  values = {}
  try:
    with open(path) as file:
      for line in file:
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
          values[name] = int(words[0]) * (unit if "kB" in words else 1)
  except OSError:
    pass
  return values


class Watch:
  """Peaks and reads of processes as the kernel counts them, until they end. It
  adds to a process's reads those of its children that have ended: with --local
  the first device's are everyone's at the end."""

  def __init__(self):
    self.pids = {}
    self.peaks = {}
    self.reads = {}
    self.stopping = threading.Event()
    self.thread = threading.Thread(target=self.loop)
    self.thread.start()

  def add(self, name, pid):
    self.pids[name] = pid

  def look(self):
    for name, pid in list(self.pids.items()):
      status = proc_values("/proc/%d/status" % pid, 1024)
      if "VmHWM" in status:
        # The program that starts ours is not meant: its peak is its own.
        with open("/proc/%d/comm" % pid) as file:
          if file.read().startswith("python"):
            continue
        self.peaks[name] = max(self.peaks.get(name, 0), status["VmHWM"])
      io = proc_values("/proc/%d/io" % pid, 1)
      if "read_bytes" in io:
        self.reads[name] = max(self.reads.get(name, 0), io["read_bytes"])

  def loop(self):
    while not self.stopping.wait(0.02):
      try:
        self.look()
      except OSError:
        pass  # it has just ended

  def stop(self):
    self.stopping.set()
    self.thread.join()


class Lab:
  """A lab of `count` devices edge1 ...; a context manager."""

  NAME = "shoalbench"

  def __init__(self, folder, work, count, disk_read="0", memory=None):
    self.tool = os.path.join(folder, "edgelab")
    self.count = count
    self.conf = os.path.join(work, "lab.conf")
    memory = memory or [0] * count
    lines = ["[lab]", "name = %s" % self.NAME, "devices = %d" % count,
             "subnet = 10.78.0.0/24", "[all]", "delay = 0.1ms",
             "rate = 1gbit", "disk_dir = %s" % work]
    if disk_read != "0":
      lines.append("disk_read = %s" % disk_read)
    for number, limit in enumerate(memory, 1):
      if limit:
        lines += ["[edge%d]" % number, "memory = %d" % limit]
    with open(self.conf, "w") as file:
      file.write("\n".join(lines) + "\n")

  def call(self, *words):
    result = subprocess.run([sys.executable, self.tool, *words],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            check=False, timeout=120)
    if result.returncode != 0:
      fail("edgelab %s failed: %s" % (words[0], result.stdout.decode()))
    return result.stdout.decode()

  def __enter__(self):
    self.call("up", self.conf)
    return self

  def __exit__(self, *_):
    self.call("--lab", self.NAME, "down")

  def address(self, number):
    return self.call("--lab", self.NAME, "ip", "edge%d" % number).strip()

  def command(self, number, words):
    return [sys.executable, self.tool, "--lab", self.NAME, "run",
            "edge%d" % number, "--", *words]


def lab_folder(arguments):
  folder = arguments.lab or os.environ.get("SHOAL_LAB_DIR", "")
  if not os.path.exists(os.path.join(folder, "edgelab")):
    fail("no lab: give its folder with --lab or in SHOAL_LAB_DIR")
  if os.geteuid() != 0:
    fail("the lab needs root")
  return folder


def free_bytes(folder):
  info = os.statvfs(folder)
  return info.f_bavail * info.f_frsize


def available_memory():
  return proc_values("/proc/meminfo", 1024)["MemAvailable"]


def shoal_json(shoal, *words):
  result = subprocess.run([shoal, *words, "--json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=600)
  if result.returncode != 0:
    fail("%s failed: %s" % (" ".join(words), result.stderr.decode()))
  return json.loads(result.stdout)


def make_stores(shoal, shape, folder, names, needed_bytes, isa="auto"):
  """An external model of that shape in `folder`, unless it is there."""
  os.makedirs(folder, exist_ok=True)
  model = os.path.join(folder, MODEL)
  if os.path.exists(model):
    return model
  if free_bytes(folder) < needed_bytes:
    fail("%s needs %.1f GB of disk, %s has %.1f GB free" %
         (shape, needed_bytes / 1e9, folder, free_bytes(folder) / 1e9))
  subprocess.run([shoal, "model", "synth", "--shape", shape, "-o", model,
                  "--stores", folder, "--names", ",".join(names), "--isa", isa],
                 check=True)
  return model


def store_files(folder, names):
  """The file of units of each device."""
  files = []
  for name in names:
    for path, _, entries in os.walk(os.path.join(folder, name)):
      files += [os.path.join(path, entry) for entry in entries
                if entry.endswith(".bin")]
  return files


def bench_disk_rates(shoal, files, engine, lab=None, time="1s"):
  """Bytes per second of a `shoal bench disk` of each file at once, together, by
  size and depth of the requests: alone, and beside products. File i is read by
  device i of the lab."""
  processes = []
  for number, path in enumerate(files, 1):
    words = [shoal, "bench", "disk", "--file", path, "--io", engine, "--time",
             time, "--json"]
    processes.append(subprocess.Popen(
        lab.command(number, words) if lab else words,
        stdout=subprocess.PIPE))
  rates = {}
  for process in processes:
    for rate in json.loads(process.communicate()[0])["rates"]:
      key = (rate["request_bytes"], rate["depth"])
      alone, beside = rates.get(key, (0, 0))
      rates[key] = (alone + rate["bytes_per_second"],
                    beside + rate["busy_bytes_per_second"])
  return rates


def run_in_lab(lab, shoal, folder, budgets, tokens, flags, isa="auto"):
  """Decodes on all devices of the lab, device i with budgets[i] bytes. Returns
  the run's JSON, with "outside": what the kernel counted, by device."""
  token = os.path.join(folder, "token")
  with open(token, "w") as file:
    file.write("%032x\n" % int.from_bytes(os.urandom(16), "big"))
  address = lab.address(1) + ":7070"
  errors = os.path.join(folder, "coordinator.log")
  command = [shoal, "run", "-m", os.path.join(folder, MODEL), "--store",
             folder, "--token-file", token, "--insecure", "--memory",
             str(budgets[0]), "--threads", "1", "--prompt-ids",
             "1,300,301,302", "--max-tokens", str(tokens), "--ignore-eos",
             "--temperature", "0", "--json", "--isa", isa, *flags]
  if lab.count > 1:
    command += ["--listen", address, "--expect", str(lab.count - 1),
                "--shares", ",".join(["1"] * lab.count)]
  watch = Watch()
  workers = []
  try:
    with open(errors, "wb") as log:
      coordinator = subprocess.Popen(lab.command(1, command), stderr=log,
                                     stdout=subprocess.PIPE)
    name = "edge1" if lab.count > 1 else "local-0"
    watch.add(name, coordinator.pid)
    for number in range(2, lab.count + 1):
      await_text(errors, "waiting for" if number == 2 else
                 "(%d of" % (number - 2), coordinator)
      name = "edge%d" % number
      with open(os.path.join(folder, name + ".log"), "wb") as log:
        workers.append(subprocess.Popen(lab.command(number, [
            shoal, "worker", "--join", address, "--token-file", token,
            "--name", name, "--store", folder, "--memory",
            str(budgets[number - 1]), "--threads", "1", "--isa", isa,
            "--insecure"]),
                                        stdout=log, stderr=log))
      watch.add(name, workers[-1].pid)
    output = coordinator.communicate(timeout=3600)[0]
    if coordinator.returncode != 0:
      with open(errors) as log:
        fail("the run failed:\n" + log.read())
  finally:
    for worker in workers:
      worker.terminate()
      worker.wait()
    watch.stop()
  result = json.loads(output)
  result["outside"] = {name: {"peak": peak, "read": watch.reads.get(name, 0)}
                       for name, peak in watch.peaks.items()}
  return result


def await_text(path, text, process):
  while process.poll() is None:
    with open(path) as file:
      if text in file.read():
        return
    time.sleep(0.02)
  with open(path) as file:
    fail("it ended early:\n" + file.read())


def table(head, rows):
  lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
  lines += ["| " + " | ".join(row) + " |" for row in rows]
  return "\n".join(lines)


def device_rows(result):
  """One row for each device; DEVICE_HEAD has the columns."""
  rows = []
  for device in result["devices"]:
    outside = result["outside"].get(device["name"], {"peak": 0, "read": 0})
    parts = sum(device[key + "_ms_per_pass"]
                for key in ("compute", "stall", "wait", "exchange"))
    expected = device["share_bytes"] - device["resident_bytes"]
    within = outside["peak"] <= device["budget_bytes"]
    rows.append([
        device["name"], "%.1f" % (device["share_bytes"] / MIB),
        "%.1f" % (device["resident_bytes"] / MIB),
        "%.1f" % (device["budget_bytes"] / MIB),
        "%.1f %s" % (outside["peak"] / MIB, "" if within else "OVER"),
        "%d (%+d)" % (device["read_bytes_per_pass"],
                      device["read_bytes_per_pass"] - expected),
        "%.1f" % (outside["read"] / MIB),
        *["%.1f" % device[key + "_ms_per_pass"]
          for key in ("compute", "stall", "wait", "exchange")],
        "%.1f %%" % (100 * parts / result["ms_per_token"])])
  return rows


DEVICE_HEAD = ["device", "share MiB", "resident MiB", "budget MiB",
               "VmHWM MiB", "read per pass (beyond share - resident)",
               "read in all MiB (kernel)", "compute ms", "stall", "wait",
               "exchange", "sum of pass"]
