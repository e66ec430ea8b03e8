"""Throws openings at all ports that some processes listen on."""

import collections
import ctypes
import multiprocessing
import os
import random
import select
import socket
import ssl
import struct
import threading
import time

import port_openings

ATTACKERS = 2
THREADS = 4  # of each: some wait for a peer that does not read
PORTS_MAX = 64
# An HTTP service takes some fifty connections at a time, its clients' included;
# strangers that hold them all are a matter of a firewall.
HELD_MAX_OF_A_PORT = 3  # by one thread
HELD_SECONDS = 20
SCAN_SECONDS = 0.02
LISTENS = "0A"

Figures = collections.namedtuple("Figures", "connections held sent ports")


def listening_ports(pids):
  """Of TCP, as the kernel lists them."""
  sockets = set()
  for pid in pids:
    try:
      for name in os.listdir("/proc/%d/fd" % pid):
        target = os.readlink("/proc/%d/fd/%s" % (pid, name))
        if target.startswith("socket:["):
          sockets.add(target[8:-1])
    except OSError:
      pass  # it or its file has just gone
  ports = set()
  for table in ("/proc/net/tcp", "/proc/net/tcp6"):
    try:
      with open(table) as file:
        for words in map(str.split, file):
          if words[3] == LISTENS and words[9] in sockets:
            ports.add(int(words[1].rpartition(":")[2], 16))
    except OSError:
      pass  # no IPv6 here
  return ports


class Attacker:
  """The work of one thread."""

  def __init__(self, seed, ports, counts):
    self.chance = random.Random(seed)
    self.ports = ports
    self.counts = counts
    self.held = []  # socket, port, when it goes

  def run(self):
    context = port_openings.tls_client()
    while True:
      aims = [port for port in self.ports if port != 0]
      if not aims:
        time.sleep(SCAN_SECONDS)
        continue
      try:
        self.throw(self.chance.choice(aims), context)
      except (OSError, ssl.SSLError, ValueError):
        pass  # shut in our face, as it should be
      self.dismiss()

  def throw(self, port, context):
    connection = socket.create_connection(("127.0.0.1", port), timeout=1)
    self.counts[0] += 1
    kind = self.chance.randrange(8)
    if kind == 0:
      connection.close()
      return
    if kind == 1:  # a stranger may come as far as that
      connection = context.wrap_socket(connection)
    text = port_openings.opening(self.chance)
    if kind == 2:
      text = text[:self.chance.randrange(len(text) + 1)]
    self.send(connection, text)
    if kind == 2 and self.hold(connection, port):
      return
    if kind == 3:  # let it answer
      select.select([connection], [], [], 0.05)
      connection.recv(1 << 16)
    if kind > 4:  # a reset instead of an end
      connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
    connection.close()

  def send(self, connection, text):
    connection.settimeout(0.2)
    for at in range(0, len(text), 1 << 16):
      self.counts[1] += connection.send(text[at:at + (1 << 16)])

  def hold(self, connection, port):
    if sum(1 for held in self.held if held[1] == port) >= HELD_MAX_OF_A_PORT:
      return False
    end = time.monotonic() + self.chance.random() * HELD_SECONDS
    self.held.append((connection, port, end))
    self.counts[2] = max(self.counts[2], len(self.held))
    return True

  def dismiss(self):
    """Lets go who has waited enough; the others say a byte now and then."""
    now = time.monotonic()
    for held in list(self.held):
      connection, _, end = held
      try:
        if now < end:
          if self.chance.random() < 0.01:
            self.counts[1] += connection.send(self.chance.randbytes(1))
          continue
      except OSError:
        pass  # they did not wait for us
      connection.close()
      self.held.remove(held)


def attack(seed, ports, counts):
  """The work of one process; never returns."""
  os.nice(10)  # a stranger's processor is not the fleet's
  threads = [
      threading.Thread(target=Attacker(seed * THREADS + i, ports,
                                       counts[i]).run)
      for i in range(THREADS)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()


class Attack:
  """Processes that throw from the first aim to the end; a context manager."""

  def __init__(self, seed):
    self.ports = multiprocessing.RawArray(ctypes.c_uint32, PORTS_MAX)
    self.counts = [[multiprocessing.RawArray(ctypes.c_uint64, 3)
                    for _ in range(THREADS)] for _ in range(ATTACKERS)]
    self.children = [
        multiprocessing.Process(
            target=attack, daemon=True,
            args=(seed * ATTACKERS + i, self.ports, self.counts[i]))
        for i in range(ATTACKERS)]
    self.pids = []
    self.seen = set()
    self.stopping = threading.Event()
    self.scanner = threading.Thread(target=self.scan)

  def aim_at(self, pids):
    self.pids = list(pids)

  def scan(self):
    while not self.stopping.wait(SCAN_SECONDS):
      ports = sorted(listening_ports(self.pids))[:PORTS_MAX]
      self.seen.update(ports)
      for i in range(PORTS_MAX):
        self.ports[i] = ports[i] if i < len(ports) else 0

  def figures(self):
    connections, sent, held = (
        sum(counts) for counts in zip(*sum(self.counts, [])))
    return Figures(connections, held, sent, len(self.seen))

  def __enter__(self):
    for child in self.children:
      child.start()
    self.scanner.start()
    return self

  def __exit__(self, *_):
    self.stopping.set()
    self.scanner.join()
    for child in self.children:
      child.terminate()
    for child in self.children:
      child.join()
