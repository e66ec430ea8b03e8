"""What a stranger may send first to a port of shoal: valid openings of every
protocol that it speaks, damaged, and bytes that are nothing at all."""

import ssl
import struct

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OVERSIZED_BYTES = 1 << 20
HELLO = 1  # transport/frame.h
SEALED = 9


def crc32c(data):
  crc = 0xFFFFFFFF
  for byte in data:
    crc ^= byte
    for _ in range(8):
      crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
  return crc ^ 0xFFFFFFFF


def frame(kind, payload, said_bytes=None):
  """A frame of docs/wire-format.md with a right checksum; `said_bytes`: what
  its header says of the payload's length."""
  head = struct.pack("<4sHHQQQIIIIIII", b"SHAL", 1, kind, 1, 0, 0, 0, 0, 1, 0,
                     0, len(payload) if said_bytes is None else said_bytes, 0)
  return head + struct.pack("<I", crc32c(head + payload)) + payload


def http2_frame(kind, flags, stream, payload, said_bytes=None):
  length = len(payload) if said_bytes is None else said_bytes
  return struct.pack(">I", length)[1:] + struct.pack(
      ">BBI", kind, flags, stream) + payload


def http2(chance):
  """The preface, settings, headers and data of a call, or what looks so."""
  text = HTTP2_PREFACE + http2_frame(4, 0, 0, b"")
  text += http2_frame(1, 4, 1, chance.randbytes(chance.randrange(200)))
  return text + http2_frame(0, 1, 1, chance.randbytes(chance.randrange(500)))


def http1(chance):
  """Never more than one token of work."""
  body = b'{"max_tokens":1,"stop":"e","prompt":"Once upon a time"}'
  target = chance.choice([
      b"GET /healthz", b"GET /metrics", b"POST /v1/completions",
      b"POST /v1/chat/completions", b"OPTIONS *", b"POST /v1/models"])
  length = chance.choice([len(body), 0, len(body) + 9, -1, 1 << 62])
  return (b"%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" %
          (target, length) + body)


def tls_client():
  """Believes every server; has no certificate itself."""
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
  context.check_hostname = False
  context.verify_mode = ssl.CERT_NONE
  context.set_alpn_protocols(["h2"])
  return context


def client_hello(_):
  incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
  side = tls_client().wrap_bio(incoming, outgoing, server_hostname="shoal")
  try:
    side.do_handshake()
  except ssl.SSLWantReadError:
    pass
  return outgoing.read()


def shoal_hello(chance):
  kind = chance.choice([HELLO, HELLO, SEALED, chance.randrange(12)])
  return frame(kind, chance.randbytes(chance.choice([40, 40, 0, 500])))


def zmtp(chance):
  mechanism = chance.choice([b"CURVE", b"NULL", b"PLAIN"]).ljust(20, b"\0")
  greeting = (b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + mechanism + b"\0" +
              b"\0" * 31)
  hello = b"\x05HELLO\x01\x00" + b"\0" * 72 + chance.randbytes(112)
  return greeting + b"\x04" + bytes([len(hello) & 255]) + hello


def oversized(chance):
  """Headers that promise far more than any limit, and then a lot."""
  head = chance.choice([
      frame(HELLO, b"", 0xFFFFFFFF),
      HTTP2_PREFACE + http2_frame(4, 0, 0, b"", 0xFFFFFF),
      b"\x16\x03\x01\xff\xff",
      zmtp(chance)[:64] + b"\x02" + struct.pack(">Q", 1 << 62),
      b"POST /v1/completions HTTP/1.1\r\nHost: a\r\n"
      b"Content-Length: 4611686018427387904\r\n\r\n",
      b"GET /" + b"a" * 70000])
  return head + b"x" * chance.randrange(OVERSIZED_BYTES)


def nothing_at_all(chance):
  return chance.randbytes(chance.choice([1, 16, 1000, 65536]))


OPENINGS = [http1, http2, client_hello, shoal_hello, zmtp]


def damaged(chance, text):
  """`text` with some bytes changed, cut, repeated or grown."""
  text = bytearray(text)
  for _ in range(chance.choice([0, 1, 1, 2, 8])):
    at = chance.randrange(len(text))
    how = chance.randrange(4)
    if how == 0:
      text[at] ^= 1 << chance.randrange(8)
    elif how == 1:
      text[at:at + chance.randrange(1, 9)] = chance.randbytes(
          chance.randrange(1, 9))
    elif how == 2:
      text = text[:at + 1]
    else:
      text[at:at] = text[max(0, at - 64):at]
  return bytes(text)


def opening(chance):
  """What one connection sends."""
  kind = chance.randrange(10)
  if kind == 0:
    return nothing_at_all(chance)
  if kind == 1:
    return oversized(chance)
  return damaged(chance, chance.choice(OPENINGS)(chance))
