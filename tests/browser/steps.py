"""What tests do on a page, waiting until it can be done."""

_REFRESH = "document.body.dispatchEvent(new CustomEvent('lb:refresh'))"


def refresh(page):
    """Have the page ask for what is new, as soon as its scripts listen."""
    page.wait_for_load_state("load")
    page.evaluate(_REFRESH)
