"""What a page shows, compared with what is printed: not to the letter, as times and ids differ from run to run."""

import re
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker

VOLATILE = [
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?", "TIME"),
    (r"\b\d+\.\d+ ?s\b", "0.0 s"),
    (r"[\d,.]+/s\b", "0/s"),  # below 10 a second with a point
    (r"of \d+ in flight", "of 10 in flight"),
    (r"\d+  at once at most; at the end \d+ were", "0  at once at most; at the end 10 were"),
    (r"(elapsed\W{1,2}|\"at\":)[\d.e-]+", r"\g<1>0"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8787"),
]


def differences(expected: str, printed: str) -> str | None:
    """Both, if they differ in more than that."""
    for pattern, stand_in in VOLATILE:
        expected, printed = re.sub(pattern, stand_in, expected), re.sub(pattern, stand_in, printed)
    if OutputChecker().check_output(expected, printed, ELLIPSIS | NORMALIZE_WHITESPACE):
        return None
    return f"The page has:\n{expected}\nIt is:\n{printed}"
