"""Plausible orders in any number, the same for the same random numbers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from norce_order_async.testing.sandbox.store import Part, WireOrder, letters, new_id, time_text
from norce_order_async.testing.sandbox.totals import EXACT, total_of, update_total

_START = datetime(2025, 1, 1, 8, tzinfo=UTC)
_VAT = Decimal("0.25")
_GIVEN = ("Ada", "Björn", "Elsa", "Ibrahim", "Karin", "Lars", "Maja", "Oskar", "Saga", "Zlatan")
_FAMILY = ("Andersson", "Berg", "Dahl", "Ek", "Holm", "Lindqvist", "Nyström", "Sjöberg", "Wallin", "Öberg")
_COUNTRIES = (
    ("SE", "sv-SE", "SEK", "+4670", (("11122", "Stockholm"), ("41103", "Göteborg"), ("21120", "Malmö"))),
    ("NO", "nb-NO", "NOK", "+4790", (("0150", "Oslo"), ("5003", "Bergen"))),
    ("FI", "fi-FI", "EUR", "+35840", (("00100", "Helsinki"), ("20100", "Turku"))),
)
_PRODUCTS = (
    ("A000123", "T-Shirt XL", 199),
    ("A000217", "Wool socks", 89),
    ("A000341", "Rain jacket", 1299),
    ("A000452", "Running shoes", 1499),
    ("A000563", "Backpack 25 l", 749),
    ("A000674", "Water bottle", 149),
)
_WAYS = (
    ("checkout",),
    ("checkout", "processing"),
    ("checkout", "processing", "accepted"),
    ("checkout", "processing", "accepted", "completed"),
    ("checkout", "processing", "declined"),
    ("checkout", "removed"),
)
_WAY_WEIGHTS = (15, 5, 15, 55, 5, 5)
_PAYMENT_STATES = {
    "processing": "processing",
    "accepted": "reserved",
    "completed": "captured",
    "declined": "declined",
    "removed": "removed",
}


def plausible_orders(random: Random, count: int, *, merchant: str, channel: str) -> Iterator[tuple[str, WireOrder]]:
    """Ids and members of orders, each some minutes younger than the one before."""
    for number in range(count):
        created = _START + timedelta(minutes=7 * number + random.randrange(7))
        order = _order(random, created, merchant=merchant, channel=channel)
        yield order["id"], order


def _order(random: Random, created: datetime, *, merchant: str, channel: str) -> WireOrder:
    country, culture, currency, _, _ = place = random.choice(_COUNTRIES)
    way = random.choices(_WAYS, _WAY_WEIGHTS)[0]
    address = _address(random, place)
    order: WireOrder = {
        "id": new_id(random, "o"),
        "merchant": merchant,
        "channel": channel,
        "reference": f"{random.randrange(10**6, 10**7)}",
        "created": time_text(created),
        "lastModified": time_text(created + timedelta(minutes=3 * (len(way) - 1))),
        "state": {
            "currentStatus": way[-1],
            "transitions": [
                {"status": status, "timeStamp": time_text(created + timedelta(minutes=3 * step))}
                for step, status in enumerate(way)
            ],
        },
        "culture": culture,
        "currency": currency,
        "country": country,
        "cart": _cart(random),
        "customer": {"type": "person", "billing": address, "shipping": address.copy()},
        "consents": [
            {"id": "ci_terms", "checked": way != _WAYS[0], "text": "I accept the terms.", "required": True},
            {"id": "ci_newsletter", "checked": random.random() < 0.4, "text": "Send me the newsletter."},
        ],
        "shippings": [_shipping(random, way[-1])],
    }
    for shipping in order["shippings"]:
        shipping |= {"orderId": order["id"], "merchant": merchant, "channel": channel}
    update_total(order)
    order["payments"] = [_payment(random, order)] if len(way) > 1 else []
    return order


def _cart(random: Random) -> Part:
    rows: list[Part] = []
    for sku, name, price in random.sample(_PRODUCTS, random.randrange(1, 4)):
        quantity = random.randrange(1, 4)
        each = _price(Decimal(price))
        rows.append(
            {
                "id": new_id(random, "ci"),
                "reference": f"row-{len(rows) + 1}",
                "sku": sku,
                "name": name,
                "quantity": quantity,
                "price": each,
                "total": total_of([each], times=quantity),
                "vatRate": _VAT,
            }
        )
    total = total_of(row["total"] for row in rows)
    return {"reference": f"cart-{letters(random, 12)}", "items": rows, "total": total}


def _shipping(random: Random, status: str) -> Part:
    return {
        "id": new_id(random, "s"),
        "state": {"checkout": "intent", "removed": "removed"}.get(status, "confirmed"),
        "name": "Home delivery",
        "total": _price(Decimal(random.choice((0, 49, 99)))),
        "vatRate": _VAT,
    }


def _payment(random: Random, order: WireOrder) -> Part:
    return {
        "id": new_id(random, "p"),
        "orderId": order["id"],
        "merchant": order["merchant"],
        "channel": order["channel"],
        "name": "Card",
        "type": "default",
        "currency": order["currency"],
        "amount": order["total"]["includingVat"],
        "state": _PAYMENT_STATES[order["state"]["currentStatus"]],
        "reference": f"psp-{letters(random, 12)}",
    }


def _address(random: Random, place: tuple[str, str, str, str, tuple[tuple[str, str], ...]]) -> Part:
    country, _, _, phone, cities = place
    given, family = random.choice(_GIVEN), random.choice(_FAMILY)
    code, city = random.choice(cities)
    number = random.randrange(10**6, 10**7)
    return {
        "type": "person",
        "givenName": given,
        "familyName": family,
        "streetAddress": f"Testgatan {random.randrange(1, 100)}",
        "postalCode": code,
        "city": city,
        "country": country,
        "email": f"{given}.{family}.{number}@example.com".lower(),
        "phone": f"{phone}{number}",
    }


def _price(including: Decimal) -> dict[str, Decimal]:
    return {"includingVat": including, "excludingVat": EXACT.divide(including, EXACT.add(1, _VAT))}
