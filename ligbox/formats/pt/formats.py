"""Thousands are parted by a space, and one that does not break; weeks begin on Monday."""

DATETIME_FORMAT = r"j \d\e F \d\e Y, H:i"
FIRST_DAY_OF_WEEK = 1
THOUSAND_SEPARATOR = "\xa0"
NUMBER_GROUPING = 3
