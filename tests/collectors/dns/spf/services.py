"""Who else sends for a customer, how records name them, and what a hand makes of that."""

from dataclasses import dataclass, field


@dataclass
class Service:
    """Somebody else who sends for the customer: the term, from where, and what its zone holds."""

    term: str
    address: str
    names: dict = field(default_factory=dict)


def service(kind, n):
    ip, name = f"198.51.100.{n + 1}", f"s{n}.svc.test"
    listed = {name: {"TXT": [f"v=spf1 ip4:{ip} -all"]}}
    return {
        "ip4": lambda: Service(f"ip4:{ip}", ip),
        "range": lambda: Service(f"ip4:10.{n}.0.0/24", f"10.{n}.0.9"),
        "ip6": lambda: Service(f"ip6:2001:db8:{n + 1}::/48", f"2001:db8:{n + 1}::9"),
        "include": lambda: Service(f"include:{name}", ip, listed),
        "nested": lambda: Service(
            f"include:n{n}.svc.test",
            ip,
            {f"n{n}.svc.test": {"TXT": [f"v=spf1 include:{name} ~all"]}, **listed},
        ),
        "a": lambda: Service(f"a:{name}", ip, {name: {"A": [ip]}}),
        "mx": lambda: Service(
            f"mx:m{n}.svc.test",
            ip,
            {f"m{n}.svc.test": {"MX": [f"10 {name}."]}, name: {"A": [ip], "AAAA": ["2001:db8::9"]}},
        ),
        "exists": lambda: Service(
            f"exists:%{{i}}._spf.{name}", ip, {f"{ip}._spf.{name}": {"A": ["127.0.0.2"]}}
        ),
        "macro": lambda: Service(
            f"include:%{{ir}}.{name}",
            ip,
            {
                f"{n + 1}.100.51.198.{name}": {"TXT": [f"v=spf1 ip4:{ip} -all"]},
                f"*.100.51.198.{name}": {"TXT": ["v=spf1 -all"]},
                f"*.{name}": {"TXT": ["v=spf1 -all"]},
            },
        ),
    }[kind]()


KINDS = ["ip4", "ip4", "range", "ip6", "include", "include", "nested", "a", "mx", "exists", "macro"]
OWN = ["", "", "include:_spf.host.test", "include:_spf.host.test", "?include:_spf.host.test"]
OWN += ["ip4:203.0.113.25", "ip4:203.0.113.25 ip6:2001:db8::25", "include:_SPF.host.test."]
LOOSE = ["a:gone1.test", "a:gone2.test", "mx:gone3.test", "include:gone4.test", "include:two.test"]
LOOSE += ["-ip4:203.0.113.0/24", "ra=postmaster", "ptr:kunde.test", "include:dept.kunde.test", "a"]
ENDS = ["-all", "~all", "?all", "+all", "", "-all", "~all", "all"]


# What a hand makes of a term.
SLIPS = {
    "none": lambda t: t,
    "blank behind the colon": lambda t: t.replace(":", ": ", 1),
    "blank before the colon": lambda t: t.replace(":", " :", 1),
    "equals sign": lambda t: t.replace(":", "=", 1),
    "ipv4": lambda t: t.replace("ip4:", "ipv4:"),
    "semicolon": lambda t: t + ";",
    "comma": lambda t: t + ",",
    "quotes": lambda t: f'"{t}"',
    "misspelt": lambda t: t.replace("include:", "inlcude:"),
}
HEADS = ["v=spf1 "] * 8 + ["v=spf1; ", "v=spf ", "v=spf1", " v=spf1 ", "v=spf1 v=spf1 ", '"v=spf1 ']
