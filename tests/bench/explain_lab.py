#!/usr/bin/env python3
"""Plants a problem in a fleet of four devices, asks `shoal explain` for it, does
what its first remedy says, and compares what that gains with what it promised.

Needs Python 3.8, root, the lab (lab_fleet.py) and a built `shoal`; nothing else
may be at work here:

  tests/bench/explain_lab.py --shoal build/release/shoal --work /var/tmp/bench

--cases: disk    the disk of edge3 is slow, and half of its share is on it
         cpu     edge4 has a fifth of a core's time, and an equal share
         link    the link to edge2 has a delay of 4 ms each way
         memory  edge3 has memory for half of its share, on a disk like all

A model of a 1.1B shape and its stores are made in --work (2 GB) and stay there.
"""

import argparse
import json
import os
import re
import subprocess
import sys

import lab_fleet
from lab_fleet import MIB

COUNT = 4
CTX = ["--ctx", "128", "--chunk", "16"]
NAMES = ["edge%d" % number for number in range(1, COUNT + 1)]
# The bar: a remedy gains what it promised to within this part.
TOLERANCE = 0.25
ENOUGH_BYTES = 1024 * MIB


def parse_arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--shoal", default="build/release/shoal")
  parser.add_argument("--lab", help="the lab's folder ($SHOAL_LAB_DIR)")
  parser.add_argument("--work", required=True, help="a folder on the disk")
  parser.add_argument("--cases", default="disk,cpu,link,memory")
  parser.add_argument("--tokens", type=int, default=24)
  return parser.parse_args()


def make_model(shoal, folder):
  """A whole file: remedies move units from device to device."""
  os.makedirs(folder, exist_ok=True)
  model = os.path.join(folder, lab_fleet.MODEL)
  if not os.path.exists(model):
    subprocess.run([shoal, "model", "synth", "--shape", "tinyllama-1.1b", "-o",
                    model], check=True)
  return model


class Problem:
  """A fleet with something wrong: what the lab does to its devices, and the
  memory of each."""

  def __init__(self, device, cause, lab, budgets):
    self.device = device
    self.cause = cause
    self.lab = lab
    self.budgets = budgets


def problems(arguments, model):
  plan = lab_fleet.shoal_json(arguments.shoal, "plan", "-m", model, "--local",
                              str(COUNT), "--memory", "1GiB", *CTX)
  half = [device["floor_bytes"] + device["share_bytes"] // 2
          for device in plan["devices"]]
  ample = [ENOUGH_BYTES] * COUNT
  short = ample[:2] + [half[2]] + ample[3:]
  return {
      "disk": Problem("edge3", "disk", {"edge3": "disk_read = 60MB/s"}, short),
      "cpu": Problem("edge4", "processor",
                     {"edge4": "cpu = 0.2\ncpu_period = 10ms"}, ample),
      "link": Problem("edge2", "link", {"edge2": "delay = 4ms"}, ample),
      "memory": Problem("edge3", "memory", {"all": "disk_read = 200MB/s"},
                        short),
  }


class ExplainLab(lab_fleet.Lab):
  """The lab with what a problem does to it."""

  def __init__(self, folder, work, problem):
    super().__init__(folder, work, COUNT)
    with open(self.conf, "a") as file:
      for section, text in problem.lab.items():
        if section == "all":
          file.write(text + "\n")
      for section, text in problem.lab.items():
        if section != "all":
          file.write("[%s]\n%s\n" % (section, text))


class Fleet:
  """`shoal serve` on edge1 and workers on the others; a context manager."""

  def __init__(self, lab, shoal, folder, budgets, shares):
    self.lab = lab
    self.shoal = shoal
    self.folder = folder
    self.budgets = budgets
    self.shares = shares
    self.address = lab.address(1) + ":7070"
    self.token = os.path.join(folder, "token")
    self.processes = []

  def start(self, number, words):
    name = NAMES[number - 1]
    log = os.path.join(self.folder, name + ".log")
    with open(log, "wb") as file:
      self.processes.append(subprocess.Popen(
          self.lab.command(number, [
              self.shoal, *words, "--store", self.folder, "--token-file",
              self.token, "--insecure", "--memory",
              str(self.budgets[number - 1]), "--threads", "1"]),
          stdout=file, stderr=file))
    return log, self.processes[-1]

  def __enter__(self):
    with open(self.token, "w") as file:
      file.write("%032x\n" % int.from_bytes(os.urandom(16), "big"))
    log, process = self.start(1, [
        "serve", "-m", os.path.join(self.folder, lab_fleet.MODEL), "--listen",
        self.address, "--expect", str(COUNT - 1), "--shares", self.shares,
        *CTX])
    for number in range(2, COUNT + 1):
      lab_fleet.await_text(log, "waiting for" if number == 2 else
                           "(%d of" % (number - 2), process)
      self.start(number, ["worker", "--join", self.address, "--name",
                          NAMES[number - 1]])
    lab_fleet.await_text(log, "ready", process)
    return self

  def __exit__(self, *_):
    for process in self.processes:
      process.terminate()
    for process in self.processes:
      process.wait()

  def client(self, *words):
    result = subprocess.run(
        self.lab.command(1, [self.shoal, *words, "--coordinator", self.address,
                             "--token-file", self.token, "--json"]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        timeout=900)
    if result.returncode != 0:
      lab_fleet.fail("%s failed: %s" % (words[0], result.stderr.decode()))
    return json.loads(result.stdout)

  def explain(self, tokens):
    self.client("run", "--prompt-ids", "1,300,301,302", "--max-tokens",
                str(tokens), "--ignore-eos", "--temperature", "0")
    return self.client("explain")


def measure(arguments, folder, problem, budgets, shares):
  with ExplainLab(lab_fleet.lab_folder(arguments), arguments.work,
                  problem) as lab:
    with Fleet(lab, arguments.shoal, folder, budgets, shares) as fleet:
      return fleet.explain(arguments.tokens)


def applied(problem, told, remedy, shares):
  """Budgets and shares as the remedy's flags have them."""
  budgets = list(problem.budgets)
  flag, value = remedy["flags"].split()
  if flag == "--memory":
    budgets[told["bottleneck"]["rank"]] = int(
        re.fullmatch(r"(\d+)MiB", value).group(1)) * MIB
  elif flag == "--shares":
    shares = value
  else:
    lab_fleet.fail("an unknown remedy: " + remedy["flags"])
  return budgets, shares


def run_case(arguments, name, problem, folder):
  shares = ",".join(["1"] * COUNT)
  told = measure(arguments, folder, problem, problem.budgets, shares)
  before = told["ms_per_token"]
  found = told["bottleneck"]
  named = found["device"] == problem.device and found["cause"] == problem.cause
  print("### %s: %s in %s, %.0f ms a token\n\nnamed: %s (%s)" %
        (name, problem.cause, problem.device, before,
         "yes" if named else "NO", found["why"]), flush=True)
  if not told["remedies"]:
    print("no remedy: MISSED\n")
    return False
  remedy = told["remedies"][0]
  budgets, shares = applied(problem, told, remedy, shares)
  after = measure(arguments, folder, problem, budgets, shares)["ms_per_token"]
  promised = before - remedy["predicted_ms_per_token"]
  gain = before - after
  met = named and abs(gain - promised) <= TOLERANCE * promised
  print("first remedy: %s (%s)\npromised %.0f -> %.0f ms, measured %.0f ms: "
        "gain %.2f of the promised, bar 1 +- %.2f: %s\n" %
        (remedy["what"], remedy["flags"], before,
         remedy["predicted_ms_per_token"], after, gain / promised, TOLERANCE,
         "met" if met else "MISSED"), flush=True)
  return met


def main():
  arguments = parse_arguments()
  arguments.shoal = os.path.abspath(arguments.shoal)
  folder = os.path.join(arguments.work, "tinyllama-explain")
  model = make_model(arguments.shoal, folder)
  known = problems(arguments, model)
  results = []
  for name in arguments.cases.split(","):
    if name not in known:
      lab_fleet.fail("no case %s; there are %s" % (name, ", ".join(known)))
    results.append(run_case(arguments, name, known[name], folder))
  sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
  main()
