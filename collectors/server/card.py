"""The rows of a server card, in the order in which they are shown."""

from collectors.server.dnsbl import DNSBL_ROW
from collectors.server.name_rows import NAME_ROWS
from collectors.server.portal import PORTAL_ROWS
from collectors.server.reverse_dns import PTR_ROW
from collectors.server.smtp import SMTP_ROW
from collectors.server.subject import Row
from collectors.server.webmail import WEBMAIL_ROW

CARD: dict[str, Row] = {
    row.check_id: row
    for row in (*PORTAL_ROWS, *NAME_ROWS, PTR_ROW, DNSBL_ROW, WEBMAIL_ROW, SMTP_ROW)
}
