"""Pages that stand where a website should be: the stock pages of web servers and panels, and parked domains.

Data first: a title as a whole or its beginning, a piece of the page that nothing else has, or the host it ends on. A text
that merely mentions a product is no sign, so pieces are whole sentences or the addresses of a parking service's own files.
"""

import re
from urllib.parse import urlsplit

_TITLES = {
    "welcome to nginx!": "nginx",
    "welcome to nginx on debian!": "nginx",
    "welcome to nginx on ubuntu!": "nginx",
    "welcome to openresty!": "OpenResty",
    "welcome to tengine!": "Tengine",
    "caddy works!": "Caddy",
    "apache2 debian default page: it works": "Apache",
    "apache2 ubuntu default page: it works": "Apache",
    "apache is functioning normally": "Apache",
    "it works! apache httpd": "Apache",
    "iis windows": "IIS",
    "iis windows server": "IIS",
    "iis7": "IIS",
    "iis8": "IIS",
    "iis 10.0 detailed error": "IIS",
    "microsoft internet information services 8": "IIS",
    "web server's default page": "Plesk",
    "domain default page": "Plesk",
    "default web site page": "cPanel",
    "success! your new web server is ready to use.": "HestiaCP",
    "index of /": "web server (an empty directory)",
}
_TITLE_STARTS = {
    "test page for the nginx http server": "nginx",
    "test page for the apache http server": "Apache",
    "test page for apache": "Apache",
    "test page for the http server on ": "web server (test page)",
    "apache http server test page": "Apache",
    "http server test page powered by": "Apache",
}
_TITLE_ENDS = {
    " - registered at namecheap.com": "Namecheap",
    " is for sale | hugedomains": "HugeDomains",
    " is for sale! - dan.com": "Dan.com",
}
_PIECES = {
    "if you see this page, the nginx web server is successfully installed and": "nginx",
    "this is the default welcome page used to test the correct operation of the apache2 server": "Apache",
    "/cgi-sys/defaultwebpage.cgi": "cPanel",
    "/cgi-sys/suspendedpage.cgi": "cPanel (suspended account)",
    "//img.sedoparking.com/": "Sedo",
    "//www.sedoparking.com/": "Sedo",
    "//d38psrni17bvxu.cloudfront.net/": "ParkingCrew",
    "//parkingcrew.net/": "ParkingCrew",
    "//www.parkingcrew.net/": "ParkingCrew",
    "//img1.wsimg.com/parking-lander/": "GoDaddy",
    'window.location.href="/lander"': "GoDaddy",
    "hugedomains.com/domain_profile.cfm": "HugeDomains",
    "//parking.bodiscdn.com/": "Bodis",
    " data-adblockkey=": "a domain parking service",  # the key that lets a parked page's advertisements through
}
_PARKING_HOSTS = {
    "sedo.com": "Sedo",
    "sedoparking.com": "Sedo",
    "parkingcrew.net": "ParkingCrew",
    "bodis.com": "Bodis",
    "dan.com": "Dan.com",
    "undeveloped.com": "Dan.com",
    "afternic.com": "Afternic",
    "hugedomains.com": "HugeDomains",
    "parklogic.com": "ParkLogic",
    "above.com": "Above.com",
}
# Apache's index.html where a distribution did not replace it: this and nothing else.
_WHOLE = {re.compile(r"\s*(?:<!doctype html>\s*)?<html>\s*<body>\s*<h1>\s*it works!\s*</h1>\s*</body>\s*</html>\s*"): "Apache"}


def stock_page(url, title, text):
    """The product or parking service whose placeholder this page is, or ''. `text` is the page as text, `url` where it was got."""
    host = (urlsplit(url).hostname or "").lower()
    for parked, name in _PARKING_HOSTS.items():
        if host == parked or host.endswith("." + parked):
            return name
    title, text = title.lower(), text.lower()
    if title in _TITLES:
        return _TITLES[title]
    for start, name in _TITLE_STARTS.items():
        if title.startswith(start):
            return name
    for end, name in _TITLE_ENDS.items():
        if title.endswith(end):
            return name
    for piece, name in _PIECES.items():
        if piece in text:
            return name
    if len(text) < 500:
        return next((name for whole, name in _WHOLE.items() if whole.fullmatch(text)), "")
    return ""
