"""A small deterministic DNS server on loopback, for the demo and for hostile tests; UDP and TCP on one port.

It answers like a recursive resolver (RA set) that is authoritative for every name: what the zone does not hold is
NXDOMAIN.

    with DnsServer(zone_dict) as s: s.host, s.port, s.queries

Zone (a dict):

    names:
      example.com:
        A: [192.0.2.1]
        MX: [[10, mail.example.com]]
        TXT:
          - "v=spf1 -all"                    # cut into 255-byte strings as needed
          - ["v=spf1 ip4:", "192.0.2.5"]     # several character-strings
          - {hex: "76ff"}                    # raw bytes in one string
          - {repeat: ["a", 5000]}            # 5000 times "a"
          - {raw_hex: ""}                    # RDATA as is, legal or not
        AAAA: [{generate: 3, format: "2001:db8::{i}"}]
      alias.example.com: {CNAME: [example.com]}
    chains:                                  # CNAME chains: c0 -> c1 -> ... -> target
      - {prefix: c, zone: chain.example, length: 20, target: example.com}
    rules:                                   # first match wins; before the zone
      - {name: slow.example, type: TXT, proto: udp, delay: 0.4}   # then the answer
      - {name: "*.dead.example", action: drop}                    # *. = below; * = all
      - {name: flip.example, sequence: [servfail, answer]}        # then around again
      - {name: flip2.example, type: A, sequence: [{A: [192.0.2.1]}, {A: [127.0.0.1]}],
         repeat: last}                                            # stay on the last

Actions:
  answer                what the zone holds (default)
  nxdomain nodata servfail refused formerr notimp notauth badvers
  drop                  no answer at all (the client must time out)
  tc                    UDP: truncated and empty; TCP: full answer
  tc_partial            UDP: truncated, with the first record only; TCP: full answer
  tc_loop               truncated on UDP and on TCP
  wrong_id              one answer with another id (the client must not take it)
  spoof_then_right      forged answer (wrong id, A 203.0.113.66 / TXT "forged"), then the right one
  wrong_question        answer for another question
  wrong_owner           answer section owned by another name
  wrong_type            answer section of another type
  wrong_port            right answer from another UDP port
  qr0                   right answer with QR=0 (a query, not an answer)
  garbage               300 fixed bytes that are not DNS
  short                 5 bytes
  empty                 an empty datagram / a zero length TCP message
  ptr_loop              a compression pointer that points at itself
  rdlen_over            RDLENGTH beyond the end of the packet
  extra_records         right answer plus unrelated A records in answer and additional
  case_flip             owner names in the other case
  tcp_close             TCP: closed without an answer (UDP: drop)
  tcp_hang              TCP: open and silent (UDP: tc)
  tcp_partial           TCP: half of the message, then closed (UDP: tc)
  tcp_slow              TCP: one byte every 0.1 s (UDP: tc)
  dup                   the same UDP answer sent 20 times
"""

import asyncio
import base64
import socket
import struct
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

IN = dns.rdataclass.IN
RCODES = {
    "nxdomain": dns.rcode.NXDOMAIN,
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "formerr": dns.rcode.FORMERR,
    "notimp": dns.rcode.NOTIMP,
    "notauth": dns.rcode.NOTAUTH,
}
ACTIONS = set(RCODES) | {
    "answer",
    "nodata",
    "badvers",
    "drop",
    "tc",
    "tc_partial",
    "tc_loop",
    "wrong_id",
    "spoof_then_right",
    "wrong_question",
    "wrong_owner",
    "wrong_type",
    "wrong_port",
    "qr0",
    "garbage",
    "short",
    "empty",
    "ptr_loop",
    "rdlen_over",
    "extra_records",
    "case_flip",
    "tcp_close",
    "tcp_hang",
    "tcp_partial",
    "tcp_slow",
    "dup",
}
GARBAGE = bytes((i * 37 + 11) % 256 for i in range(300))


def to_bytes(text):
    """Bytes of a zone string: latin-1 where it fits, so "\\xEF" is one byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def to_name(text):
    """dns.name.Name of a zone name; every byte is kept, none is IDNA-mapped."""
    escaped = "".join(chr(b) if 33 <= b <= 126 and chr(b) not in '"$();@' else "\\%03d" % b for b in to_bytes(str(text)))
    return dns.name.from_text(escaped or ".", dns.name.root)


def _strings(value):
    """Character-strings of a TXT value: always at least one, each <= 255 bytes."""
    if isinstance(value, dict):
        if "hex" in value:
            raw = [bytes.fromhex(value["hex"])]
        elif "b64" in value:
            raw = [base64.b64decode(value["b64"])]
        elif "repeat" in value:
            raw = [to_bytes(str(value["repeat"][0])) * int(value["repeat"][1])]
            raw = [to_bytes(str(value.get("prefix", ""))) + raw[0] + to_bytes(str(value.get("suffix", "")))]
        else:
            raise ValueError(f"unknown TXT form: {value!r}")
    elif isinstance(value, (list, tuple)):
        raw = [to_bytes(str(v)) for v in value]
    else:
        raw = [to_bytes(str(value))]
    out = []
    for chunk in raw:
        out += [chunk[i : i + 255] for i in range(0, len(chunk), 255)] or [b""]
    return out or [b""]


def make_rdatas(rtype, value):
    """dns.rdata objects of one zone value (several with `generate`)."""
    rdtype = dns.rdatatype.from_text(rtype)
    if isinstance(value, dict) and "raw_hex" in value:
        return [dns.rdata.GenericRdata(IN, rdtype, bytes.fromhex(value["raw_hex"]))]
    if isinstance(value, dict) and "generate" in value:
        out = []
        for i in range(int(value["generate"])):
            text = value["format"].format(i=i, hi=i >> 8, lo=i & 255)
            out += make_rdatas(rtype, text)
        return out
    if rtype in ("TXT", "SPF"):
        strings = _strings(value)
        wire = b"".join(bytes([len(s)]) + s for s in strings)
        if len(wire) > 65000:
            raise ValueError("TXT record over 65000 bytes cannot be carried")
        return [dns.rdata.GenericRdata(IN, rdtype, wire)]
    if rtype == "MX":
        pref, host = value if isinstance(value, (list, tuple)) else str(value).split(None, 1)
        wire = struct.pack("!H", int(pref)) + to_name(host).to_wire()
        return [dns.rdata.GenericRdata(IN, rdtype, wire)]
    if rtype in ("CNAME", "PTR", "NS", "DNAME"):
        return [dns.rdata.GenericRdata(IN, rdtype, to_name(value).to_wire())]
    return [dns.rdata.from_text(IN, rdtype, str(value), origin=dns.name.root)]


class Zone:
    """Names, records and rules; `warnings` says what could not be expressed in DNS."""

    def __init__(self, data=None):
        self.names = {}
        self.rules = []
        self.warnings = []
        data = data or {}
        for name, types in (data.get("names") or {}).items():
            for rtype, values in (types or {}).items():
                if not isinstance(values, list):
                    values = [values]
                for value in values:
                    self.add(name, rtype, value)
            if not types:
                self.touch(name)
        for chain in data.get("chains") or []:
            self.add_chain(**chain)
        for rule in data.get("rules") or []:
            self.add_rule(**rule)

    def touch(self, name):
        return self.names.setdefault(to_name(name), {})

    def add(self, name, rtype, value):
        try:
            self.touch(name).setdefault(rtype.upper(), []).extend(make_rdatas(rtype.upper(), value))
        except (dns.exception.DNSException, ValueError) as exc:
            self.warnings.append(f"{name} {rtype} {value!r}: {exc.__class__.__name__}: {exc}")

    def add_chain(self, prefix, zone, length, target):
        for i in range(int(length)):
            there = target if i == length - 1 else f"{prefix}{i + 1}.{zone}"
            self.add(f"{prefix}{i}.{zone}", "CNAME", there)

    def add_rule(self, name="*", type=None, proto=None, action=None, delay=0, sequence=None, repeat="cycle", **records):
        if sequence is None:
            sequence = [dict(records, action=action or "answer")]
        elif records or action:
            raise ValueError("a rule has either a sequence or an action")
        steps = []
        for step in sequence:
            step = {"action": step} if isinstance(step, str) else dict(step)
            act = step.pop("action", "answer")
            wait = float(step.pop("delay", delay))
            if act not in ACTIONS:
                raise ValueError(f"unknown action {act!r}")
            recs = {}
            for rtype, values in step.items():
                for value in values if isinstance(values, list) else [values]:
                    recs.setdefault(rtype.upper(), []).extend(make_rdatas(rtype.upper(), value))
            steps.append((act, wait, recs))
        below = name.startswith("*.")
        base = None if name == "*" else to_name(name[2:] if below else name)
        self.rules.append(
            {"base": base, "below": below, "type": type and type.upper(), "proto": proto, "steps": steps, "repeat": repeat, "count": {}}
        )

    def match(self, qname, qtype, proto):
        """(action, delay, records) for one query; sequences move on by one."""
        for rule in self.rules:
            if rule["base"] is not None:
                if rule["below"]:
                    if not qname.is_subdomain(rule["base"]) or qname == rule["base"]:
                        continue
                elif qname != rule["base"]:
                    continue
            if rule["type"] and rule["type"] != qtype:
                continue
            if rule["proto"] and rule["proto"] != proto:
                continue
            steps = rule["steps"]
            key = (qname, qtype)
            n = rule["count"].get(key, 0)
            rule["count"][key] = n + 1
            return steps[min(n, len(steps) - 1) if rule["repeat"] == "last" else n % len(steps)]
        return ("answer", 0.0, {})

    def lookup(self, qname, qtype, extra=None):
        """(rcode, [rrset]) the way a recursive resolver would give it."""
        answer, seen = [], set()
        if extra:
            if qtype in extra:
                rrset = dns.rrset.RRset(qname, IN, dns.rdatatype.from_text(qtype))
                for rdata in extra[qtype]:
                    rrset.add(rdata)
                return dns.rcode.NOERROR, [rrset]
            return dns.rcode.NOERROR, []
        while True:
            if qname in seen or len(seen) > 64:  # loop: BIND and Unbound say SERVFAIL
                return dns.rcode.SERVFAIL, []
            seen.add(qname)
            types = self.names.get(qname)
            if types is None:
                types = self._wildcard(qname)
            if types is None:
                if any(n.is_subdomain(qname) for n in self.names):
                    return dns.rcode.NOERROR, answer  # empty non-terminal
                return dns.rcode.NXDOMAIN, answer
            if qtype in types or qtype == "ANY":
                for rtype in types if qtype == "ANY" else [qtype]:
                    rrset = dns.rrset.RRset(qname, IN, dns.rdatatype.from_text(rtype))
                    for rdata in types[rtype]:
                        rrset.add(rdata)
                    answer.append(rrset)
                return dns.rcode.NOERROR, answer
            if "CNAME" in types:
                rrset = dns.rrset.RRset(qname, IN, dns.rdatatype.CNAME)
                rrset.add(types["CNAME"][0])
                answer.append(rrset)
                qname, _ = dns.name.from_wire(types["CNAME"][0].data, 0)
                continue
            return dns.rcode.NOERROR, answer

    def _wildcard(self, qname):
        while len(qname) > 1:
            qname = qname.parent()
            star = dns.name.Name((b"*",) + qname.labels)
            if star in self.names:
                return self.names[star]
            if qname in self.names:
                return None
        return None


def zone_from_openspf(zonedata, timeout_action="servfail"):
    """Zone of one scenario of the openspf.org suites (rfc7208-tests.yml and kin).

    Their driver rules: SPF records are doubled as TXT unless the name has an
    explicit TXT; "NONE" is "no record of this type"; a bare TIMEOUT makes every
    type without records time out; {TYPE: TIMEOUT} times out that type.
    """
    zone = Zone()
    for name, entries in zonedata.items():
        zone.touch(name)
        doubled, has_txt, dead, present = [], False, False, set()
        for entry in entries or []:
            if entry == "TIMEOUT":
                dead = True
                continue
            for rtype, value in entry.items():
                if value == "TIMEOUT":
                    zone.add_rule(name=name, type=rtype, action=timeout_action)
                    continue
                if rtype == "TXT":
                    has_txt = True
                if value == "NONE":
                    continue
                present.add(rtype)
                zone.add(name, rtype, value)
                if rtype == "SPF":
                    doubled.append(value)
        if not has_txt:
            for value in doubled:
                present.add("TXT")
                zone.add(name, "TXT", value)
        if dead:
            for rtype in ("A", "AAAA", "MX", "TXT", "SPF", "PTR", "CNAME", "NS"):
                if rtype not in present:
                    zone.add_rule(name=name, type=rtype, action=timeout_action)
    return zone


class DnsServer:
    """The server, in a thread of its own; `queries` is what it was asked, in order."""

    def __init__(self, zone=None, host="127.0.0.1", port=0, max_queries=200000):
        if not (host.startswith("127.") or host == "::1"):
            raise ValueError("loopback addresses only")
        self.zone = zone if isinstance(zone, Zone) else Zone(zone)
        self.host, self.port, self.max_queries = host, port, max_queries
        self.queries = []
        self._ready = threading.Event()
        self._loop = self._thread = self._error = None

    # -- life
    def start(self):
        self._thread = threading.Thread(target=self._run, daemon=True, name="dnsserver")
        self._thread.start()
        self._ready.wait(10)
        if self._error:
            raise self._error
        return self

    def stop(self):
        if self._loop:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    __enter__ = start

    def __exit__(self, *exc):
        self.stop()

    def clear(self):
        del self.queries[:]

    def count(self, name=None, rtype=None):
        want = name and to_name(name).to_text().lower()
        return sum(1 for q in self.queries if (not want or q["name"].lower() == want) and (not rtype or q["type"] == rtype))

    def _run(self):
        try:
            asyncio.run(self._main())
        except OSError as exc:
            self._error = exc
            self._ready.set()

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._tasks = set()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        for attempt in range(20):
            udp = socket.socket(family, socket.SOCK_DGRAM)
            tcp = socket.socket(family, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((self.host, self.port))
                tcp.bind((self.host, udp.getsockname()[1]))
                break
            except OSError:
                udp.close()
                tcp.close()
                if self.port or attempt == 19:
                    raise
        self.port = udp.getsockname()[1]
        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        server = await asyncio.start_server(self._tcp, sock=tcp)
        self._ready.set()
        await self._stop.wait()
        for task in list(self._tasks):
            task.cancel()
        transport.close()
        server.close()

    def _spawn(self, coro):
        task = self._loop.create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- one query
    def _parse(self, wire, proto):
        if len(self.queries) >= self.max_queries:
            return None
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        qtype = dns.rdatatype.to_text(question.rdtype)
        self.queries.append(
            {
                "proto": proto,
                "name": question.name.to_text(),
                "type": qtype,
                "id": query.id,
                "edns": query.payload if query.edns >= 0 else None,
                "rd": bool(query.flags & dns.flags.RD),
                "cd": bool(query.flags & dns.flags.CD),
                "time": time.monotonic(),
            }
        )
        return query, question.name, qtype

    def _response(self, query, qname, qtype, extra, rcode=None, empty=False):
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= dns.flags.AA
        if rcode is None:
            rcode, answer = self.zone.lookup(qname, qtype, extra)
            if not empty:
                reply.answer = answer
        reply.set_rcode(rcode)
        if not reply.answer and rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            apex = dns.name.Name(qname.labels[-3:]) if len(qname) > 2 else dns.name.root
            soa = dns.rdata.from_text(IN, dns.rdatatype.SOA, "ns.invalid. host.invalid. 1 3600 600 86400 60")
            rrset = dns.rrset.RRset(apex, IN, dns.rdatatype.SOA)
            rrset.add(soa)
            reply.authority = [rrset]
        for section in (reply.answer, reply.authority):
            for rrset in section:
                rrset.ttl = 0
        return reply

    @staticmethod
    def _wire(reply):
        reply.use_edns(False) if reply.edns < 0 else None
        return reply.to_wire(max_size=65535)

    def _build(self, query, qname, qtype, action, extra):
        """The right answer's wire form with the action's changes applied."""
        if action in RCODES:
            return self._wire(self._response(query, qname, qtype, extra, rcode=RCODES[action]))
        reply = self._response(query, qname, qtype, extra)
        if action == "nodata":
            reply = self._response(query, qname, qtype, {"NONE": []})
        elif action == "badvers":
            reply.use_edns(0)
            reply.answer = []
            reply.set_rcode(dns.rcode.BADVERS)
        elif action == "wrong_question":
            other = dns.message.make_query("wrong-question.invalid.", qtype)
            reply.question = other.question
        elif action == "wrong_owner":
            for rrset in reply.answer:
                rrset.name = to_name("wrong-owner.invalid")
        elif action == "wrong_type":
            rrset = dns.rrset.from_text(qname, 0, "IN", "HINFO", '"wrong" "type"')
            reply.answer = [rrset]
        elif action == "extra_records":
            reply.answer.append(dns.rrset.from_text("bank.invalid.", 0, "IN", "A", "203.0.113.66"))
            reply.additional.append(dns.rrset.from_text("bank2.invalid.", 0, "IN", "A", "203.0.113.66"))
        elif action == "case_flip":  # by hand: name compression would hide the other case
            flip = lambda name: dns.name.Name(tuple(x.swapcase() for x in name.labels)).to_wire()  # noqa: E731
            pairs = [(rrset.name, rdata) for rrset in reply.answer for rdata in rrset]
            out = self._wire(reply)[:4] + struct.pack("!HHHH", 1, len(pairs), 0, 0)
            out += qname.to_wire() + struct.pack("!HH", dns.rdatatype.from_text(qtype), IN)
            for owner, rdata in pairs:
                body = rdata.to_wire()
                out += flip(owner) + struct.pack("!HHIH", rdata.rdtype, IN, 0, len(body)) + body
            return out
        try:
            wire = bytearray(self._wire(reply))
        except dns.exception.TooBig:
            reply.answer = []
            reply.flags |= dns.flags.TC
            wire = bytearray(self._wire(reply))
        if action == "qr0":
            wire[2] &= 0x7F
        elif action in ("ptr_loop", "rdlen_over"):
            head = bytes(wire[:4]) + struct.pack("!HHHH", 1, 1, 0, 0)
            question = qname.to_wire() + struct.pack("!HH", dns.rdatatype.from_text(qtype), IN)
            at = len(head) + len(question)
            if action == "ptr_loop":
                record = struct.pack("!HHHIH", 0xC000 | at, dns.rdatatype.from_text(qtype), IN, 0, 0)
            else:
                record = struct.pack("!HHHIH", 0xC00C, dns.rdatatype.from_text(qtype), IN, 0, 60000) + b"\x01x"
            wire = bytearray(head + question + record)
        return bytes(wire)

    def _truncated(self, query, qname, qtype, extra, partial=False):
        reply = self._response(query, qname, qtype, extra)
        if partial and reply.answer:
            first = reply.answer[0]
            keep = dns.rrset.RRset(first.name, first.rdclass, first.rdtype)
            keep.ttl = 0
            keep.add(list(first)[0])
            reply.answer = [keep]
        else:
            reply.answer = []
        reply.authority = []
        reply.flags |= dns.flags.TC
        return self._wire(reply)

    # -- UDP
    async def _udp(self, transport, wire, addr):
        parsed = self._parse(wire, "udp")
        if not parsed:
            return
        query, qname, qtype = parsed
        action, delay, extra = self.zone.match(qname, qtype, "udp")
        if delay:
            await asyncio.sleep(delay)
        if action in ("drop", "tcp_close"):
            return
        if action in ("tc", "tc_loop", "tcp_hang", "tcp_partial", "tcp_slow", "tc_partial"):
            out = self._truncated(query, qname, qtype, extra, partial=action == "tc_partial")
            transport.sendto(out, addr)
            return
        if action in ("garbage", "short", "empty"):
            body = {
                "garbage": query.id.to_bytes(2, "big") + GARBAGE[2:],
                "short": query.id.to_bytes(2, "big") + b"\x81\x80\x00",
                "empty": b"",
            }[action]
            transport.sendto(body, addr)
            return
        out = self._build(query, qname, qtype, action, extra)
        if action in ("wrong_id", "spoof_then_right"):
            forged = dns.message.make_response(query, recursion_available=True)
            forged.id = query.id ^ 0x5555
            if qtype == "A":
                forged.answer = [dns.rrset.from_text(qname, 0, "IN", "A", "203.0.113.66")]
            elif qtype == "TXT":
                forged.answer = [dns.rrset.from_text(qname, 0, "IN", "TXT", '"forged"')]
            transport.sendto(forged.to_wire(), addr)
            if action == "wrong_id":
                return
            await asyncio.sleep(0.05)
        limit = max(512, query.payload) if query.edns >= 0 else 512
        if len(out) > limit:
            out = self._truncated(query, qname, qtype, extra)
        if action == "wrong_port":
            other = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_DGRAM)
            other.bind((self.host, 0))
            other.sendto(out, addr)
            other.close()
            return
        for _ in range(20 if action == "dup" else 1):
            transport.sendto(out, addr)

    # -- TCP
    async def _tcp(self, reader, writer):
        try:
            while True:
                try:
                    (length,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), 60))
                    wire = await asyncio.wait_for(reader.readexactly(length), 60)
                except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                    return
                parsed = self._parse(wire, "tcp")
                if not parsed:
                    return
                query, qname, qtype = parsed
                action, delay, extra = self.zone.match(qname, qtype, "tcp")
                if delay:
                    await asyncio.sleep(delay)
                if action == "tcp_close":
                    return
                if action in ("drop", "tcp_hang"):
                    await asyncio.sleep(60)
                    return
                if action == "tc_loop":
                    out = self._truncated(query, qname, qtype, extra)
                elif action == "garbage":
                    out = query.id.to_bytes(2, "big") + GARBAGE[2:]
                elif action == "short":
                    out = query.id.to_bytes(2, "big") + b"\x81\x80\x00"
                elif action == "empty":
                    out = b""
                elif action == "wrong_id":
                    out = (query.id ^ 0x5555).to_bytes(2, "big") + self._build(query, qname, qtype, "answer", extra)[2:]
                else:
                    out = self._build(query, qname, qtype, action, extra)
                framed = struct.pack("!H", len(out)) + out
                if action == "tcp_partial":
                    writer.write(framed[: len(framed) // 2])
                    await writer.drain()
                    return
                if action == "tcp_slow":
                    for i in range(len(framed)):
                        writer.write(framed[i : i + 1])
                        await writer.drain()
                        await asyncio.sleep(0.1)
                else:
                    writer.write(framed)
                    await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.server._spawn(self.server._udp(self.transport, data, addr))
