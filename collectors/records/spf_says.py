"""The findings about an SPF record, one function a fact: what is wrong, what it causes, what to do."""

from collectors.base import Owner, fail, warn
from collectors.standards.spf import MAX_LOOKUPS, MAX_MX, MAX_VOID_LOOKUPS
from collectors.standards.spf_trace import shown_name
from collectors.text import _

LONG = 450  # bytes; a longer record may not fit into one UDP answer beside the other TXT records (RFC 7208, section 3.4)


def syntax(domain, error, fix):
    """`error` is a SpfSyntaxError."""
    message = _(
        "The SPF record of {domain} has an error in term {index}, “{term}” (character {place}): {why} Receivers take the whole "
        "record for broken, and SPF passes for nobody. Correct the term.",
        domain=domain,
        index=error.index,
        term=shown_name(error.term),
        place=error.offset + 1,
        why=_why(error.why),
    )
    return fail("spf_syntax", message, fix=fix)


def _why(why):
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


def include_missing(domain, term, name, *, hosts, fix):
    """`hosts`: the name is the tenant's own include, so that its operator must act."""
    message = _(
        "“{term}” in the record of {domain} leads to {name}, which has no SPF record. Receivers stop there with a permanent "
        "error. Take the term out, or correct the name.",
        term=shown_name(term),
        domain=domain,
        name=shown_name(name),
    )
    return fail("spf_include_missing", message, owner=Owner.HOST if hosts else Owner.CUSTOMER, fix=None if hosts else fix)


def multiple(count, fix):
    """Several records at the domain itself."""
    message = _(
        "The domain has several SPF records ({n}); only one is allowed. Receivers stop with a permanent error, and SPF passes for "
        "nobody. Merge them into one.",
        n=count,
    )
    return fail("spf_multiple", message, fix=fix)


def multiple_elsewhere(domain):
    """Several records at a name that the record leads to."""
    message = _(
        "{domain}, which the record leads to, has several SPF records; only one is allowed. Receivers stop there with a permanent "
        "error. Whoever runs {domain} must merge them.",
        domain=domain,
    )
    return fail("spf_multiple", message)


def loop(domain, fix):
    message = _(
        "The record leads back to {domain} in a circle. Receivers stop with a permanent error, and SPF passes for nobody. Take out "
        "the include or redirect that closes the circle.",
        domain=shown_name(domain),
    )
    return fail("spf_loop", message, fix=fix)


def too_many_voids(result, fix):
    message = _(
        "For mail from {ip}, more than {limit} lookups of the record find nothing ({names}). Receivers stop with a permanent error. "
        "Take out the terms that lead nowhere.",
        ip=result.ip,
        limit=MAX_VOID_LOOKUPS,
        names=", ".join(dict.fromkeys(shown_name(n) for n in result.voids)),
    )
    return fail("spf_too_many_void_lookups", message, fix=fix)


def too_many_mx(result):
    message = _(
        "“{term}” in the record of {domain} leads to mail exchanges: {n} (limit {limit}). Receivers stop with a permanent error. "
        "Name the sending addresses instead.",
        term=shown_name(result.term),
        domain=result.where,
        n=result.subject,
        limit=MAX_MX,
    )
    return fail("spf_too_many_mx", message)


def too_many_queries(result):
    message = _(
        "To evaluate the record for one mail takes more than {n} DNS queries; receivers may give up on it. Name the sending addresses "
        "instead of “mx” and “a”.",
        n=result.subject,
    )
    return fail("spf_too_many_queries", message)


def too_many_lookups(count, fix):
    message = _(
        "The record needs DNS lookups: {n} (limit {limit}). Receivers stop with a permanent error, and SPF fails even for listed "
        "senders. Take out includes that are no longer used, or name addresses instead.",
        n=count,
        limit=MAX_LOOKUPS,
    )
    return fail("spf_too_many_lookups", message, fix=fix)


def near_limit(count):
    message = _(
        "The record needs DNS lookups: {n} (limit {limit}). One more sender, or a change at a provider, can break SPF for all mail. "
        "Take out what is no longer used.",
        n=count,
        limit=MAX_LOOKUPS,
    )
    return warn("spf_lookups_near_limit", message)


def all_pass(domain, term, fix):
    message = _(
        "“{term}” in the record of {domain} lets every address on the internet send for the domain, so SPF protects nothing. Name "
        "the real senders and end in “~all” or “-all”.",
        term=shown_name(term),
        domain=domain,
    )
    return fail("spf_all_pass", message, fix=fix)


def all_neutral(domain, fix):
    message = _(
        "The record of {domain} ends in “?all”, so receivers treat forged mail no worse than yours. End it in “~all” or “-all”.",
        domain=domain,
    )
    return warn("spf_all_neutral", message, fix=fix)


def all_missing(domain, fix):
    message = _(
        "The record of {domain} has no “all” at its end, so mail from servers it does not name counts as neutral. Add “~all” or “-all”.",
        domain=domain,
    )
    return warn("spf_all_missing", message, fix=fix)


def ptr(terms):
    message = _(
        "The record uses reverse lookups ({terms}), which are slow and unreliable, and which some receivers ignore. Name the "
        "addresses with ip4 and ip6 instead.",
        terms=shown_name(" ".join(terms)),
    )
    return warn("spf_ptr", message)


def terms_after_all(terms, fix):
    message = _(
        "Terms without effect beside “all”: {terms}. Receivers never look at them. Put “all” at the end, and use no redirect with it.",
        terms=shown_name(" ".join(terms)),
    )
    return warn("spf_terms_after_all", message, fix=fix)


def record_long(size):
    message = _(
        "The record has {n} bytes. Over {limit}, answers may not fit into one packet, and lookups fail at some receivers. Shorten it.",
        n=size,
        limit=LONG,
    )
    return warn("spf_record_long", message)


def not_authorised(result, *, include, fix):
    """`include`: the tenant's include where it was evaluated and does not list the address, else ""."""
    decided = result.path[-1] if result.path else None
    if decided and not decided[1].lower().startswith("redirect="):
        by = _("decided by “{term}” of {domain}", term=shown_name(decided[1]), domain=decided[0])
    else:
        by = _("no term of the record matches")
    if include:
        message = _(
            "The mail server may not send from {ip}: SPF gives {result}, {by}. Receivers reject this mail or take it for spam. The "
            "record names {include}, which does not list the address: add it there.",
            ip=result.ip,
            result=result.result,
            by=by,
            include=include,
        )
        return fail("spf_sender_not_authorised", message, owner=Owner.HOST)
    message = _(
        "The mail server may not send from {ip}: SPF gives {result}, {by}. Receivers reject this mail or take it for spam. Add the "
        "server to the domain's record.",
        ip=result.ip,
        result=result.result,
        by=by,
    )
    return fail("spf_sender_not_authorised", message, fix=fix)


def type_99(published, fix):
    """`published`: there is a TXT record too."""
    if published:
        message = _(
            "A record of the obsolete type SPF (99) stands beside the TXT record. Receivers ignore it, and the two can differ. Remove it."
        )
    else:
        message = _("The policy stands in a record of the obsolete type SPF (99) only, which receivers ignore. Publish it as TXT.")
    return warn("spf_type99", message, fix=fix)


def misplaced(place, name, fix):
    message = _("An SPF record stands at {place}; receivers look only at {name} and do not find it. Move it there.", place=place, name=name)
    return fail("spf_misplaced", message, fix=fix)


def missing(result, fix, almost="", alias_of=""):
    """`result`: NXDOMAIN or NODATA or NOERROR of the TXT lookup; `almost`: a text that nearly is a record; `alias_of`: the
    name at which the record is looked for, where the domain is an alias."""
    if almost:
        message = _(
            "“{text}” is no SPF record, because it does not start with exactly “v=spf1”; receivers pass over it and cannot tell your "
            "mail from forged mail. Correct it.",
            text=shown_name(almost),
        )
    elif result == "NXDOMAIN" and alias_of:
        message = _(
            "The domain is an alias of {name}, which does not exist in DNS (NXDOMAIN), so it has no SPF record, and its mail is not "
            "trusted. Correct the alias.",
            name=alias_of,
        )
    elif result == "NXDOMAIN":
        message = _(
            "The domain does not exist in DNS (NXDOMAIN), so it has no SPF record, and its mail is not trusted. See that it is "
            "registered and its name servers know it."
        )
    else:
        message = _("The domain has no SPF record, so receivers cannot tell your mail from forged mail. Publish one.")
    return fail("spf_missing", message, fix=fix)
