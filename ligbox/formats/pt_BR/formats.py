"""Django's of Brazil; said again where those of Portugal, which come next, say otherwise."""

DATETIME_FORMAT = r"j \d\e F \d\e Y, H:i"
FIRST_DAY_OF_WEEK = 0
THOUSAND_SEPARATOR = "."
NUMBER_GROUPING = 3
