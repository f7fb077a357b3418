"""Write an example batch: changes to consents and attributes, with a few lines that must fail.

    python docs/examples/make_changes.py > docs/examples/changes.jsonl

The same seed writes the same file.
"""

import json
import random
import sys
from collections.abc import Iterator

ORDERS = 1_000
CHANGES = 5_000
SEED = 20260112

# Deleting the same consent twice: the second time there is nothing left, and the API says no.
REPEATED = ["o_00001", "o_00001", "o_00002", "o_00002", "o_00003", "o_00003"]

# Lines that are never sent.
BAD_LINES = [
    '{"op": "patch_consent", "order_id": "o_00007", "consent_id": "ci_newsletter", "checked": tru',
    '{"op": "patch_consent", "order_id": "o_00008", "consent_id": "ci_newsletter"}',
    '{"op": "patch_consent", "order_id": "o_00009", "consent_id": "ci_newsletter", "checked": "yes"}',
    '{"op": "delete_consent", "order_id": "o_00010%1", "consent_id": "ci_newsletter"}',
    '{"op": "patch_attributes", "order_id": "o_00011", "attributes": {}}',
    '{"op": "refund", "order_id": "o_00012"}',
]


def changes() -> Iterator[str]:
    """The lines of the file."""
    rng = random.Random(SEED)
    bad_lines = iter(BAD_LINES)
    bad_at = set(rng.sample(range(CHANGES), len(BAD_LINES)))
    to_delete = rng.sample(range(ORDERS), ORDERS)
    for number in range(CHANGES - len(REPEATED)):
        order_id = f"o_{rng.randrange(ORDERS):05d}"
        kind = rng.choices(["newsletter", "attributes", "profiling"], weights=[60, 30, 10])[0]
        if number in bad_at:
            yield next(bad_lines)
        elif kind == "newsletter":
            yield change("patch_consent", order_id, consent_id="ci_newsletter", checked=rng.random() < 0.2)
        elif kind == "attributes":
            attributes = {"erpId": f"A-{rng.randrange(100_000)}", "exported": True, "note": None}
            yield change("patch_attributes", order_id, attributes=attributes)
        else:
            yield change("delete_consent", f"o_{to_delete.pop():05d}", consent_id="ci_profiling")
    for order_id in REPEATED:
        yield change("delete_consent", order_id, consent_id="ci_old_terms")


def change(op: str, order_id: str, **arguments: object) -> str:
    """One line."""
    return json.dumps({"op": op, "order_id": order_id, **arguments})


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in changes())
