#!/usr/bin/env python3
"""What watching costs each device while a fleet generates.

A fleet of this machine's processes answers one request after the other; in
turns nobody watches, and `shoal top --plain --rate 4` does. Counted is the
processor time of all threads of a process but the one that computes (the
busiest), as /proc/PID/task/*/schedstat has it: the computing thread adds to
counters either way.

  tests/bench/watch_cost.py --shoal build/release/shoal -m MODEL.gguf
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request


def parse_arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--shoal", default="build/release/shoal")
  parser.add_argument("-m", "--model",
                      default="models/shoal-stories-3m-q8_0.gguf")
  parser.add_argument("--devices", type=int, default=4)
  parser.add_argument("--seconds", type=float, default=8, help="of each turn")
  parser.add_argument("--rounds", type=int, default=3)
  return parser.parse_args()


def thread_ns(pid):
  """Processor time by thread."""
  times = {}
  for thread in os.listdir("/proc/%d/task" % pid):
    try:
      with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as file:
        times[thread] = int(file.read().split()[0])
    except OSError:
      pass  # it has ended
  return times


def spent_ns(before, after):
  return {thread: ns - before.get(thread, 0) for thread, ns in after.items()}


def children_of(pid):
  with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
    return [int(word) for word in file.read().split()]


def wait_for(path, mark):
  """What follows `mark` in a file that grows."""
  for _ in range(1200):
    with open(path) as file:
      text = file.read()
    if mark in text:
      return text.split(mark)[1].split()[0]
    time.sleep(0.05)
  raise SystemExit("no '%s' in: %s" % (mark, text))


class Client(threading.Thread):
  """Asks for one answer after the other."""

  def __init__(self, url):
    super().__init__(daemon=True)
    self.url = url
    self.tokens = 0
    self.ending = False
    self.failure = None

  def run(self):
    body = json.dumps({"prompt": "Once upon a time", "temperature": 0,
                       "max_tokens": 64, "ignore_eos": True}).encode()
    while not self.ending:
      try:
        with urllib.request.urlopen(urllib.request.Request(
            self.url + "/completions", body)) as reply:
          self.tokens += json.load(reply)["usage"]["completion_tokens"]
      except OSError as error:
        if not self.ending:
          self.failure = error
        return


def turn(arguments, pids, client, coordinator):
  """One turn: per cent of a core by process, and tokens per second."""
  watcher = None
  if coordinator:
    watcher = subprocess.Popen(
        [arguments.shoal, "top", "--plain", "--rate", "4", "--coordinator",
         coordinator], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
  before = [thread_ns(pid) for pid in pids]
  tokens = client.tokens
  begin = time.monotonic()
  time.sleep(arguments.seconds)
  took = time.monotonic() - begin
  spent = [spent_ns(was, thread_ns(pid)) for was, pid in zip(before, pids)]
  rate = (client.tokens - tokens) / took
  if client.failure:
    raise SystemExit("no answer: %s" % client.failure)
  if watcher:
    watcher.terminate()
    watcher.wait()
  return [(sum(times.values()) - max(times.values())) / took / 1e7
          for times in spent], rate


def main():
  arguments = parse_arguments()
  with tempfile.TemporaryDirectory() as folder:
    log = os.path.join(folder, "log")
    environment = dict(os.environ, XDG_CACHE_HOME=folder, XDG_STATE_HOME=folder)
    with open(log, "w") as file:
      serve = subprocess.Popen(
          [arguments.shoal, "serve", "-m", arguments.model, "--local",
           str(arguments.devices), "--threads", "1", "--ctx", "256", "--http",
           "127.0.0.1:0"], stderr=file, env=environment)
    try:
      wait_for(log, "ready: ")
      coordinator = wait_for(log, "gRPC at ")
      client = Client(wait_for(log, "HTTP at ").rstrip(".,"))
      client.start()
      pids = [serve.pid] + sorted(children_of(serve.pid))
      turns = {False: [], True: []}
      for _ in range(arguments.rounds):
        for watched in (False, True):
          turns[watched].append(turn(arguments, pids, client,
                                     coordinator if watched else ""))
      client.ending = True
    finally:
      serve.terminate()
      serve.wait()
  print("Tokens per second, medians of %d turns: %.1f unwatched, %.1f watched\n"
        % (arguments.rounds, *(statistics.median(rate for _, rate in turns[w])
                               for w in (False, True))))
  print("| process | unwatched, % of a core | watched | watching costs |")
  print("|---|---:|---:|---:|")
  worst = 0
  for index in range(len(pids)):
    without, with_ = (statistics.median(shares[index]
                                        for shares, _ in turns[watched])
                      for watched in (False, True))
    worst = max(worst, with_ - without)
    print("| %s | %.2f | %.2f | %.2f |" % (
        "coordinator" if index == 0 else "worker %d" % index, without, with_,
        with_ - without))
  print("\nThe most is %.2f %% of a core; bar 1: %s" %
        (worst, "met" if worst <= 1 else "MISSED"))


if __name__ == "__main__":
  main()
