#!/usr/bin/env python3
"""Strangers at every port of a fleet, while it generates.

A coordinator and a worker with certificates tell the same greedy story again
and again, over one transport after the other, from their start on under fire:
random bytes, damaged openings, oversized frames and connections that say
nothing, at every port that the two listen on. Fails if a process ends, the
text changes, an answer is refused or takes more than --slower times the median
of an undisturbed fleet (and more than 5 s: strangers of this machine take its
processors, too):

  tests/fuzz/port_fuzz.py --shoal build/dev/shoal --seconds 600
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from port_attack import Attack

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL = os.path.join(ROOT, "models", "shoal-stories-3m-q8_0.gguf")
REQUEST = json.dumps({"prompt": "Once upon a time, a small fish",
                      "temperature": 0, "max_tokens": 200})
START_SECONDS = 60
QUIET_ANSWERS = 9
PATIENCE_SECONDS = 5
MIB = 1 << 20


class Fault(Exception):
  """What the fleet must never do."""


def rss_bytes(pid):
  with open("/proc/%d/status" % pid) as file:
    for line in file:
      if line.startswith("VmRSS:"):
        return int(line.split()[1]) * 1024
  raise Fault("process %d has ended" % pid)


class Process:
  """A started shoal whose lines are kept."""

  def __init__(self, program, words, folder):
    environment = dict(os.environ, XDG_CACHE_HOME=folder,
                       XDG_STATE_HOME=folder, XDG_CONFIG_HOME=folder)
    self.child = subprocess.Popen([program, *words], env=environment,
                                  stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
    self.lines = []
    self.changed = threading.Condition()
    self.reader = threading.Thread(target=self.read, daemon=True)
    self.reader.start()

  def read(self):
    for line in self.child.stderr:
      with self.changed:
        self.lines.append(line.rstrip())
        self.changed.notify_all()
    with self.changed:
      self.lines.append(None)
      self.changed.notify_all()

  def wait_for(self, mark):
    """The first line with `mark`."""
    end = time.monotonic() + START_SECONDS
    with self.changed:
      while True:
        for line in self.lines:
          if line is None or time.monotonic() > end:
            raise Fault("no '%s' from shoal, but: %s" % (mark, self.lines))
          if mark in line:
            return line
        self.changed.wait(1)

  def check(self):
    if self.child.poll() is not None:
      raise Fault("a process ended with %d; its last lines: %s" %
                  (self.child.returncode, self.lines[-6:]))

  def stop(self):
    self.child.terminate()
    try:
      return self.child.wait(30)
    except subprocess.TimeoutExpired:
      self.child.kill()
      return self.child.wait()


class Fleet:
  """A coordinator and a worker; a context manager."""

  def __init__(self, program, transport, folder, attack=None):
    secrets = os.path.join(folder, "home")
    self.processes = []
    try:
      serve = self.start(program, [
          "serve", "-m", MODEL, "--http", "127.0.0.1:0", "--listen",
          "127.0.0.1:0", "--expect", "1", "--secrets", secrets, "--payload",
          "f64", "--transport", transport], folder, attack)
      said = serve.wait_for("gRPC at ")
      with open(os.path.join(secrets, "token")) as file:
        token = file.readline().strip()
      self.start(program, ["worker", "--join", said.split()[-1] + "#" + token,
                           "--name", "pi"], folder, attack)
      self.port = int(serve.wait_for("HTTP at ").split("/")[2].split(":")[1])
      serve.wait_for("ready: ")
    except BaseException:
      self.stop()
      raise

  def start(self, program, words, folder, attack):
    self.processes.append(Process(program, words, folder))
    if attack is not None:
      attack.aim_at(self.pids())
    return self.processes[-1]

  def pids(self):
    return [process.child.pid for process in self.processes]

  def answer(self, seconds_max):
    """The story, and how long it took."""
    begin = time.monotonic()
    try:
      client = http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=seconds_max)
      client.request("POST", "/v1/completions", REQUEST)
      reply = client.getresponse()
      body = reply.read().decode()
      client.close()
    except OSError as error:
      self.check()
      raise Fault("no answer within %.1f s: %s" % (seconds_max, error))
    if reply.status != 200:
      raise Fault("refused with %d: %s" % (reply.status, body))
    return json.loads(body)["choices"][0]["text"], time.monotonic() - begin

  def check(self):
    for process in self.processes:
      process.check()

  def stop(self):
    return [process.stop() for process in self.processes]

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.stop()


def undisturbed(program, transport, folder):
  """The story, and the median of its seconds."""
  with Fleet(program, transport, folder) as fleet:
    answers = [fleet.answer(START_SECONDS) for _ in range(QUIET_ANSWERS)]
  if len({text for text, _ in answers}) != 1:
    raise Fault("an undisturbed fleet tells different stories")
  return answers[0][0], statistics.median(took for _, took in answers)


def under_fire(program, transport, folder, seconds, slower, seed):
  """One fleet from its start to its end; prints a line of figures."""
  story, median = undisturbed(program, transport, folder)
  took = []
  with Attack(seed) as attack:
    with Fleet(program, transport, folder, attack) as fleet:
      before = [rss_bytes(pid) for pid in fleet.pids()]
      end = time.monotonic() + seconds
      while time.monotonic() < end:
        text, one = fleet.answer(max(slower * median, PATIENCE_SECONDS))
        if text != story:
          raise Fault("the story changed to: " + text)
        took.append(one)
        fleet.check()
      after = [rss_bytes(pid) for pid in fleet.pids()]
    figures = attack.figures()
  print("%s: %d connections (%d held open at most), %.0f MiB at %d ports; %d "
        "answers, all the same; median %.2f s, slowest %.2f s (undisturbed "
        "%.2f s); resident memory of coordinator and worker %s MiB at first, "
        "%s MiB at last" % (
            transport, figures.connections, figures.held, figures.sent / MIB,
            figures.ports, len(took), statistics.median(took), max(took),
            median, *("%.1f and %.1f" % tuple(b / MIB for b in each)
                      for each in (before, after))), flush=True)
  if figures.connections == 0:
    raise Fault("nothing was thrown at it")


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--shoal", default=os.environ.get("SHOAL_BINARY",
                                                        "build/dev/shoal"))
  parser.add_argument("--seconds", type=float, default=600)
  parser.add_argument("--slower", type=float, default=10)
  parser.add_argument("--seed", type=int, default=int(time.time()))
  arguments = parser.parse_args()
  program = os.path.abspath(arguments.shoal)
  print("seed %d" % arguments.seed, flush=True)
  try:
    for transport in ("tcp", "zmq"):
      with tempfile.TemporaryDirectory() as folder:
        under_fire(program, transport, folder, arguments.seconds / 2,
                   arguments.slower, arguments.seed)
  except Fault as fault:
    sys.exit("port_fuzz.py: %s" % fault)


if __name__ == "__main__":
  main()
