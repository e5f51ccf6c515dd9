"""The MX record set to publish, as changes to the one that is published now."""

from itertools import zip_longest

from collectors.base import Action, Fix, Record
from collectors.text import _

MAX_CHANGES = 50  # that are listed one by one; nobody has that many exchanges


def record_set(name, found, mail_hosts):
    """Changes after which the tenant's exchanges stand alone at `name`.

    Those that are listed already stay as they are, so that mail that arrives goes on arriving; only where there is none
    are the tenant's written over the foreign ones. `found`: the exchanges now, best first. Without `mail_hosts` it can be
    said only what does not belong.
    """
    kept = [x for x in found if x.ours]
    if not mail_hosts:
        return _without_hosts(name, found)
    others = [x.text for x in found if not x.ours]
    wanted = [f"{10 * at} {host.lower().removesuffix('.')}" for at, host in enumerate(mail_hosts, 1)]
    if len(others) > MAX_CHANGES:
        shown = [x.text for x in kept] or wanted
        return Fix(_("The MX records should be: {set}. Remove all others.", set=", ".join(shown[:MAX_CHANGES])))
    if kept:
        text = _("The MX records should be: {set}.", set=", ".join(x.text for x in kept))
        return Fix(text, tuple(_remove(name, other) for other in others))
    text = _("The MX records should be: {set}.", set=", ".join(wanted))
    return Fix(text, tuple(_change(name, new, old) for new, old in zip_longest(wanted, others)))


def _without_hosts(name, found):
    """A null MX or an address beside good exchanges can go; what else to publish, the operator of the mail server knows."""
    bad = [x for x in found if not x.host or x.is_literal]
    if bad and len(bad) < len(found):
        return Fix(_("Remove the records that name no host."), tuple(_remove(name, x.text) for x in bad))
    return ask()


def ask():
    """Where it is not known what belongs there."""
    return Fix(_("Publish the MX record that the operator of the mail server gives for the domain."))


def once(name, same):
    """For an exchange that is listed several times: its best record stays."""
    return Fix(_("Keep the record with the best preference."), tuple(_remove(name, x.text) for x in same[1:]))


def addresses(host):
    """For one of the tenant's own exchanges: its records are not the customer's domain's."""
    return Fix(_("Give {host} public address records (A, AAAA) of its own.", host=host))


def _change(name, new, old):
    if new is None:
        return _remove(name, old)
    return Record("MX", name, new, Action.REPLACE if old else Action.ADD, old)


def _remove(name, text):
    return Record("MX", name, text, Action.REMOVE, text)
