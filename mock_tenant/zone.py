"""What the DNS server knows: names with their records, and rules that make it misbehave.

A zone is a dict:

    # of every answer, seconds; 0 (nothing is cached) where it is left out
    ttl: 60

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

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from mock_tenant.records import IN, make_rdatas, to_name

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


class Zone:
    """Names, records and rules; `warnings` says what could not be expressed in DNS."""

    def __init__(self, data=None):
        data = data or {}
        self.names = {}
        self._above = (
            set()
        )  # every name that has names below it: it exists, if only as an empty non-terminal
        self.rules = []
        self.warnings = []
        self.ttl = int(data.get("ttl", 0))
        for name, types in (data.get("names") or {}).items():
            for rtype, values in (types or {}).items():
                for value in values if isinstance(values, list) else [values]:
                    self.add(name, rtype, value)
            if not types:
                self.touch(name)
        for chain in data.get("chains") or []:
            self.add_chain(**chain)
        for rule in data.get("rules") or []:
            self.add_rule(**rule)

    def touch(self, name):
        """The records of a name, {type: [rdata]}; the name exists from now on."""
        owner = to_name(name)
        above = owner
        while len(above) > 1 and above not in self._above:
            self._above.add(above)
            above = above.parent()
        return self.names.setdefault(owner, {})

    def add(self, name, rtype, value):
        try:
            self.touch(name).setdefault(rtype.upper(), []).extend(make_rdatas(rtype.upper(), value))
        except (dns.exception.DNSException, ValueError) as exc:
            self.warnings.append(f"{name} {rtype} {value!r}: {exc.__class__.__name__}: {exc}")

    def add_chain(self, prefix, zone, length, target):
        for i in range(int(length)):
            there = target if i == length - 1 else f"{prefix}{i + 1}.{zone}"
            self.add(f"{prefix}{i}.{zone}", "CNAME", there)

    def add_rule(
        self,
        *,
        name="*",
        type=None,
        proto=None,
        action=None,
        delay=0,
        sequence=None,
        repeat="cycle",
        **records,
    ):
        if sequence is None:
            sequence = [dict(records, action=action or "answer")]
        elif records or action:
            raise ValueError("a rule has either a sequence or an action")
        steps = []
        for written in sequence:
            step = {"action": written} if isinstance(written, str) else dict(written)
            act = step.pop("action", "answer")
            wait = float(step.pop("delay", delay))
            if act not in ACTIONS:
                raise ValueError(f"unknown action {act!r}")
            recs: dict[str, list] = {}
            for rtype, values in step.items():
                for value in values if isinstance(values, list) else [values]:
                    recs.setdefault(rtype.upper(), []).extend(make_rdatas(rtype.upper(), value))
            steps.append((act, wait, recs))
        below = name.startswith("*.")
        base = None if name == "*" else to_name(name[2:] if below else name)
        self.rules.append(
            {
                "base": base,
                "below": below,
                "type": type and type.upper(),
                "proto": proto,
                "steps": steps,
                "repeat": repeat,
                "count": {},
            }
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
        answer: list = []
        seen: set = set()
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
                if qname in self._above:  # an empty non-terminal: no wildcard stands in for it
                    return dns.rcode.NOERROR, answer
                types = self._wildcard(qname)
            if types is None:
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
        """The types at the wildcard below the closest encloser, if any (RFC 4592, 3.3.1)."""
        while len(qname) > 1:
            qname = qname.parent()
            star = dns.name.Name((b"*", *qname.labels))
            if star in self.names:
                return self.names[star]
            if qname in self._above:
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
