"""The words of the findings about an SPF record, one function a fact.

Each says what is wrong, what it causes, what to do.
"""

from collections.abc import Sequence

from collectors.base import Finding, Owner, fail, warn
from collectors.dns.spf.slips import Slip
from collectors.standards.spf.evaluation import MAX_ADDRESSES, MAX_LOOKUPS, MAX_MX, MAX_VOID_LOOKUPS
from collectors.standards.spf.record import SpfSyntaxError
from collectors.standards.spf.trace import SpfResult, shown_name
from collectors.text import Text, _, show_bytes

# Bytes; a longer record may not fit into one UDP answer beside the other TXT records (section 3.4).
LONG = 450


def syntax(domain: str, error: SpfSyntaxError, *, own: bool) -> Finding:
    """`own`: it stands in the domain's own record, and not in one that this leads to."""
    if own:
        message = _(
            "The SPF record of {domain} has an error in term {index}, “{term}” (character "
            "{place}): {why} Receivers take the whole record for broken, and SPF passes for "
            "nobody. Correct the term.",
            **_place(domain, error),
        )
    else:
        message = _(
            "The SPF record of {domain}, which the record leads to, has an error in term {index}, "
            "“{term}” (character {place}): {why} Mail that no term before it lets through meets a "
            "permanent error there. Whoever runs {domain} must correct it.",
            **_place(domain, error),
        )
    return fail("spf_syntax", message)


def _place(domain: str, error: SpfSyntaxError) -> dict[str, str | int]:
    return {
        "domain": domain,
        "index": error.index,
        "term": shown_name(show_bytes(error.term.encode("latin-1", "replace"))),
        "place": error.offset + 1,
        "why": _why(error.why),
    }


def slip(found: Slip) -> Finding:
    message = _(
        "“{term}” is no error to receivers, but they do not take it for what was meant, so that "
        "a sender may not be authorised. Write “{better}”.",
        term=shown_name(found.term),
        better=shown_name(found.better),
    )
    return warn("spf_slip", message)


def nearly_beside(text: str) -> Finding:
    """A text beside the record that is nearly one, and names senders which that lacks."""
    message = _(
        "Beside the SPF record stands “{text}”, which is nearly one: receivers pass over it, so "
        "that the senders which it names are not authorised. Put them into the record, or remove "
        "the text.",
        text=shown_name(text),
    )
    return warn("spf_slip", message)


def _why(why: str) -> Text:
    return {
        "not_ascii": _("it holds characters that are not ASCII."),
        "control_character": _("it holds a control character such as a tab."),
        "unknown_mechanism": _("there is no such mechanism."),
        "argument_missing": _("it lacks its value."),
        "argument_unexpected": _("it takes no such value."),
        "bad_address": _("the address is not valid."),
        "bad_prefix_length": _("the prefix length is not valid."),
        "bad_domain": _("the value is not a domain name."),
        "bad_macro": _("the macro is not valid."),
        "duplicate_modifier": _("it may stand there only once."),
        "bad_term": _("it is not a term of SPF."),
    }[why]


def include_missing(domain: str, term: str, name: str) -> Finding:
    message = _(
        "“{term}” in the record of {domain} leads to {name}, which has no SPF record. Mail that no "
        "term before it lets through meets a permanent error there. Take the term out, or correct "
        "the name.",
        term=shown_name(term),
        domain=domain,
        name=shown_name(name),
    )
    return fail("spf_include_missing", message)


def own_include_missing(domain: str, term: str, name: str) -> Finding:
    message = _(
        "“{term}” in the record of {domain} leads to {name}, a name of ours without SPF record. "
        "Mail that no term before it lets through meets a permanent error there. The record is to "
        "be published at {name}; the one of {domain} is right.",
        term=shown_name(term),
        domain=domain,
        name=shown_name(name),
    )
    return fail("spf_include_missing", message, owner=Owner.HOST)


def multiple(count: int) -> Finding:
    """Several records at the domain itself."""
    message = _(
        "The domain has several SPF records ({n}); only one is allowed. Receivers stop with a "
        "permanent error, and SPF passes for nobody. Merge them into one.",
        n=count,
    )
    return fail("spf_multiple", message)


def multiple_elsewhere(domain: str) -> Finding:
    """Several records at a name that the record leads to."""
    message = _(
        "{domain}, which the record leads to, has several SPF records; only one is allowed. Mail "
        "that no term before it lets through meets a permanent error there. Whoever runs {domain} "
        "must merge them.",
        domain=domain,
    )
    return fail("spf_multiple", message)


def loop(domain: str) -> Finding:
    message = _(
        "The record leads back to {domain} in a circle. Mail that no term before it lets through "
        "meets a permanent error there. Take out the include or redirect that closes the circle.",
        domain=shown_name(domain),
    )
    return fail("spf_loop", message)


def too_many_voids(result: SpfResult) -> Finding:
    message = _(
        "For mail from {ip}, more than {limit} lookups of the record find nothing ({names}). "
        "Receivers stop with a permanent error. Name the mail server before these terms, and take "
        "out those that are no longer used.",
        ip=result.ip,
        limit=MAX_VOID_LOOKUPS,
        names=", ".join(dict.fromkeys(shown_name(n) for n in result.void_names)),
    )
    return fail("spf_too_many_void_lookups", message)


def too_many_mx(result: SpfResult) -> Finding:
    message = _(
        "“{term}” in the record of {domain} leads to mail exchanges: {n} (limit {limit}). "
        "Receivers stop with a permanent error. Name the sending addresses instead.",
        term=shown_name(result.term),
        domain=result.where,
        n=result.subject,
        limit=MAX_MX,
    )
    return fail("spf_too_many_mx", message)


def too_many_mx_addresses(result: SpfResult) -> Finding:
    message = _(
        "“{term}” in the record of {domain} leads to {host}, which has addresses: {n} (limit "
        "{limit} for one mail exchange). Strict receivers stop with a permanent error. Name the "
        "sending addresses instead.",
        term=shown_name(result.term),
        domain=result.where,
        host=shown_name(result.subject.partition(" ")[0]),
        n=result.subject.partition(" ")[2],
        limit=MAX_ADDRESSES,
    )
    return fail("spf_too_many_mx", message)


def too_many_queries(result: SpfResult) -> Finding:
    message = _(
        "To evaluate the record for one mail takes more than {n} DNS queries; receivers may give "
        "up on it. Name the sending addresses instead of “mx” and “a”.",
        n=result.subject,
    )
    return fail("spf_too_many_queries", message)


def too_many_lookups(count: int | Text) -> Finding:
    message = _(
        "The record needs DNS lookups: {n} (limit {limit}). Receivers stop with a permanent error "
        "at the term that is too many, and SPF fails even for senders that are listed behind it. "
        "Take out includes that are no longer used, or name addresses instead.",
        n=count,
        limit=MAX_LOOKUPS,
    )
    return fail("spf_too_many_lookups", message)


def near_limit(count: int | Text) -> Finding:
    message = _(
        "The record needs DNS lookups: {n} (limit {limit}). One more sender, or a change at a "
        "provider, can break SPF for all mail. Take out what is no longer used.",
        n=count,
        limit=MAX_LOOKUPS,
    )
    return warn("spf_lookups_near_limit", message)


def all_pass(domain: str, term: str) -> Finding:
    message = _(
        "“{term}” in the record of {domain} lets every address on the internet send for the "
        "domain, so SPF protects nothing. Name the real senders and end in “~all” or “-all”.",
        term=shown_name(term),
        domain=domain,
    )
    return fail("spf_all_pass", message)


def all_neutral(domain: str) -> Finding:
    message = _(
        "The record of {domain} ends in “?all”, so receivers treat forged mail no worse than "
        "yours. End it in “~all” or “-all”.",
        domain=domain,
    )
    return warn("spf_all_neutral", message)


def all_missing(domain: str) -> Finding:
    message = _(
        "The record of {domain} has no “all” at its end, so mail from servers it does not name "
        "counts as neutral. Add “~all” or “-all”.",
        domain=domain,
    )
    return warn("spf_all_missing", message)


def ptr(terms: Sequence[str]) -> Finding:
    message = _(
        "The record uses reverse lookups ({terms}), which are slow and unreliable, and which some "
        "receivers ignore. Name the addresses with ip4 and ip6 instead.",
        terms=shown_name(" ".join(terms)),
    )
    return warn("spf_ptr", message)


def terms_after_all(terms: Sequence[str]) -> Finding:
    message = _(
        "Terms without effect beside “all”: {terms}. Receivers never look at them. Put “all” at "
        "the end, and use no redirect with it.",
        terms=shown_name(" ".join(terms)),
    )
    return warn("spf_terms_after_all", message)


def record_long(size: int) -> Finding:
    message = _(
        "The record has {n} bytes. Over {limit}, answers may not fit into one packet, and lookups "
        "fail at some receivers. Shorten it.",
        n=size,
        limit=LONG,
    )
    return warn("spf_record_long", message)


def not_authorised(result: SpfResult, *, include: str) -> Finding:
    """`include`: the tenant's include where it was evaluated and lacks the address, else ""."""
    decided = result.path[-1] if result.path else None
    if decided and not decided[1].lower().startswith("redirect="):
        by = _("decided by “{term}” of {domain}", term=shown_name(decided[1]), domain=decided[0])
    else:
        by = _("no term of the record matches")
    if include:
        message = _(
            "The mail server may not send from {ip}: SPF gives {result}, {by}. Receivers reject "
            "this mail or take it for spam. The record names {include}, which does not list the "
            "address: add it there.",
            ip=result.ip,
            result=result.result,
            by=by,
            include=include,
        )
        return fail("spf_sender_not_authorised", message, owner=Owner.HOST)
    message = _(
        "The mail server may not send from {ip}: SPF gives {result}, {by}. Receivers reject this "
        "mail or take it for spam. Add the server to the domain's record.",
        ip=result.ip,
        result=result.result,
        by=by,
    )
    return fail("spf_sender_not_authorised", message)


def type_99(published: bool) -> Finding:
    """`published`: there is a TXT record too."""
    if published:
        message = _(
            "A record of the obsolete type SPF (99) stands beside the TXT record. Receivers "
            "ignore it, and the two can differ. Remove it."
        )
    else:
        message = _(
            "The policy stands in a record of the obsolete type SPF (99) only, which receivers "
            "ignore. Publish it as TXT."
        )
    return warn("spf_type99", message)


def misplaced(place: str, name: str) -> Finding:
    message = _(
        "An SPF record stands at {place}; receivers look only at {name} and do not find it. Move "
        "it there.",
        place=place,
        name=name,
    )
    return fail("spf_misplaced", message)


def missing(result: str, almost: str | None, alias_of: str) -> Finding:
    """`result`: NXDOMAIN or NODATA or NOERROR of the TXT lookup.

    `almost`: a text that nearly is a record; `alias_of`: the name at which the record is looked
    for, where the domain is an alias, else "".
    """
    if almost:
        message = _(
            "“{text}” is no SPF record, because it does not start with exactly “v=spf1”; "
            "receivers pass over it and cannot tell your mail from forged mail. Correct it.",
            text=shown_name(almost),
        )
    elif result == "NXDOMAIN" and alias_of:
        message = _(
            "The domain is an alias of {name}, which does not exist in DNS (NXDOMAIN), so it has "
            "no SPF record, and its mail is not trusted. Correct the alias.",
            name=alias_of,
        )
    elif result == "NXDOMAIN":
        message = _(
            "The domain does not exist in DNS (NXDOMAIN), so it has no SPF record, and its mail "
            "is not trusted. See that it is registered and its name servers know it."
        )
    else:
        message = _(
            "The domain has no SPF record, so receivers cannot tell your mail from forged mail. "
            "Publish one."
        )
    return fail("spf_missing", message)
