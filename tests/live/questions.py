"""What no published page says, as questions, asked in turn: each finds the order as those before it left it.

Each returns what came, and whether that is as the library assumes; None where it assumes nothing.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from live.probe import Answer, Probe, object_of

Came = tuple[str, bool | None]


@attrs.frozen
class Question:
    """One question.

    Attributes:
        text: What is asked.
        assumes: What the library does where the answer is not known.
        ask: Asks it.
    """

    text: str
    assumes: str
    ask: Callable[[Probe], Awaitable[Came]]


QUESTIONS: list[Question] = []
PATCH_ATTRIBUTES = "PatchCheckoutOrderAttributes"
CREATE_CONSENT = "CreateCheckoutOrderConsent"
PATCH_CONSENT = "PatchCheckoutOrderConsent"
REMOVE_CONSENT = "RemoveCheckoutOrderConsent"
ABSENT = "ci_absent"


def question(text: str, assumes: str) -> Callable[[Callable[[Probe], Awaitable[Came]]], None]:
    """Add a function to the questions."""
    return lambda ask: QUESTIONS.append(Question(text, assumes, ask))


def _refusal(answer: Answer) -> Came:
    """A refusal of something that is not there: an error is made of a 404 with a code, of others too."""
    return str(answer), None if answer.ok else isinstance(answer.members().get("code"), str)


def _shown(members: dict[str, Any], name: str) -> str:
    return f"`{members[name]!r}`" if name in members else "absent"


# Members of a new order


@question("which members of a new order are null, although published as never null", "null is read as absent")
async def _(probe: Probe) -> Came:
    null = sorted(name for name, value in (await probe.order()).items() if value is None)
    return ", ".join(f"`{name}`" for name in null) or "none", True


@question("a second order with the same cart reference", "a creation is never repeated after it was sent")
async def _(probe: Probe) -> Came:
    return str(await probe.make()), None


# Consents


@question("POST of a consent with an id", "the id can be used in paths afterwards")
async def _(probe: Probe) -> Came:
    for consent_id, required in (("ci_probe", False), ("ci_required", True)):
        answer = await probe.send(CREATE_CONSENT, {"id": consent_id, "checked": False, "required": required})
    return str(answer), await probe.consent("ci_probe") is not None


@question("POST of a consent with the id of another", "it is only tried again while nothing was sent")
async def _(probe: Probe) -> Came:
    return str(await probe.send(CREATE_CONSENT, {"id": "ci_probe", "checked": True})), None


@question("PATCH of a consent without the id in the body", "the id is sent, as in the samples")
async def _(probe: Probe) -> Came:
    return str(await probe.send(PATCH_CONSENT, {"checked": True}, consent_id="ci_probe")), None


@question("PATCH of a consent with another id in the body", "never sent")
async def _(probe: Probe) -> Came:
    answer = await probe.send(PATCH_CONSENT, {"id": "ci_required", "checked": True}, consent_id="ci_probe")
    changed = object_of(await probe.consent("ci_required")).get("checked")
    return f"{answer}; the one in the body is {'changed' if changed else 'as before'}", None


@question("PATCH of a consent with `checked` null", "never sent")
async def _(probe: Probe) -> Came:
    answer = await probe.send(PATCH_CONSENT, {"id": "ci_probe", "checked": None}, consent_id="ci_probe")
    return f"{answer}; then {_shown(object_of(await probe.consent('ci_probe')), 'checked')}", None


@question("PATCH of a consent with the value that it has: does `lastModified` move", "the same state; it may move")
async def _(probe: Probe) -> Came:
    await probe.send(PATCH_CONSENT, {"id": "ci_probe", "checked": True}, consent_id="ci_probe")
    before = (await probe.order()).get("lastModified")
    answer = await probe.send(PATCH_CONSENT, {"id": "ci_probe", "checked": True}, consent_id="ci_probe")
    return f"{answer}; it {'stays' if (await probe.order()).get('lastModified') == before else 'moves'}", answer.ok


@question("PATCH of a consent that the order lacks", "an error; a 404 is `NotFoundError`")
async def _(probe: Probe) -> Came:
    answer = await probe.send(PATCH_CONSENT, {"id": ABSENT, "checked": True}, consent_id=ABSENT)
    made = await probe.consent(ABSENT) is not None
    return f"{answer}{'; it was made' if made else ''}", not answer.ok


@question("PATCH of several consents, one of which the order lacks", "nothing: read the order after an error")
async def _(probe: Probe) -> Came:
    body = [{"id": "ci_required", "checked": True}, {"id": f"{ABSENT}_too", "checked": True}]
    answer = await probe.send("PatchCheckoutOrderConsents", body)
    return f"{answer}; the other is {_shown(object_of(await probe.consent('ci_required')), 'checked')}", None


@question("DELETE of a consent that the order never had", "an error; a 404 is `NotFoundError`")
async def _(probe: Probe) -> Came:
    return _refusal(await probe.send(REMOVE_CONSENT, consent_id=f"{ABSENT}_either"))


@question("a second DELETE of a consent", "a 404 with a code after a lost answer is `applied_inferred`")
async def _(probe: Probe) -> Came:
    first = await probe.send(REMOVE_CONSENT, consent_id="ci_probe")
    second = await probe.send(REMOVE_CONSENT, consent_id="ci_probe")
    return f"{first}; then {second}", first.ok and (second.ok or _refusal(second)[1] is True)


@question("DELETE of a required consent", "it is tried")
async def _(probe: Probe) -> Came:
    return str(await probe.send(REMOVE_CONSENT, consent_id="ci_required")), None


@question("an id with a space, percent-encoded in the path", "an id may be any text")
async def _(probe: Probe) -> Came:
    await probe.send(CREATE_CONSENT, {"id": "ci probe é", "checked": False})
    answer = await probe.send(PATCH_CONSENT, {"id": "ci probe é", "checked": True}, consent_id="ci probe é")
    return str(answer), answer.ok


# Attributes


@question("attributes that are not named", "they stay")
async def _(probe: Probe) -> Came:
    await probe.send(PATCH_ATTRIBUTES, {"stays": "yes", "gone": "no", "nested": {"a": 1, "b": [1, 2]}})
    answer = await probe.send(PATCH_ATTRIBUTES, {"other": True})
    stays = _attributes(await probe.order()).get("stays") == "yes"
    return f"{answer}; {'they stay' if stays else 'they are gone'}", stays


@question("a null attribute", "None is sent as null")
async def _(probe: Probe) -> Came:
    answer = await probe.send(PATCH_ATTRIBUTES, {"gone": None})
    found = _attributes(await probe.order())
    kept = "stored as null" if "gone" in found and found["gone"] is None else "stays" if "gone" in found else "removed"
    return f"{answer}; {kept}", answer.ok


@question("a nested attribute: merged, or replaced", "sent as it is")
async def _(probe: Probe) -> Came:
    answer = await probe.send(PATCH_ATTRIBUTES, {"nested": {"b": [3]}})
    return f"{answer}; then {_shown(_attributes(await probe.order()), 'nested')}", answer.ok


@question("an empty object of attributes", "refused before it is sent")
async def _(probe: Probe) -> Came:
    return str(await probe.send(PATCH_ATTRIBUTES, {})), None


@question("large numbers, and names with spaces and letters such as ö", "any JSON value, any name")
async def _(probe: Probe) -> Came:
    sent = {"big": 12345678901234567890, "real": 0.1, "a name ö": "ö"}
    answer = await probe.send(PATCH_ATTRIBUTES, sent)
    found = _attributes(await probe.order())
    differs = [f"`{name}` is {_shown(found, name)}" for name, value in sent.items() if found.get(name) != value]
    return f"{answer}; {', '.join(differs) or 'all as sent'}", not differs


@question("an attribute of 256 KiB", "a body may have 1 MiB")
async def _(probe: Probe) -> Came:
    answer = await probe.send(PATCH_ATTRIBUTES, {"large": "x" * 262_144})
    await probe.send(PATCH_ATTRIBUTES, {"large": None})
    return str(answer), answer.ok


# Payments, shippings, validation


@question("a second payment with the same reference", "it is only tried again while nothing was sent")
async def _(probe: Probe) -> Came:
    payment = {"reference": probe.reference, "amount": 1.25, "currency": "SEK", "type": "default"}
    first = await probe.send("CreateOrderPayment", payment)
    return f"{first}; then {await probe.send('CreateOrderPayment', payment)}", None


@question("a second shipping with the same reference", "it is only tried again while nothing was sent")
async def _(probe: Probe) -> Came:
    shipping = {"reference": probe.reference, "vatRate": 0.25, "total": {"includingVat": 1.25, "excludingVat": 1.0}}
    first = await probe.send("CreateOrderShipping", shipping)
    return f"{first}; then {await probe.send('CreateOrderShipping', shipping)}", None


@question("how the problems of a validation come", "200 or 400, an array or an object: one `ValidationFailedError`")
async def _(probe: Probe) -> Came:
    return str(await probe.send("Validate")), None


# Lists


@question("the `limit` of a list by default, and the most", "sent as given; what came is looked at")
async def _(probe: Probe) -> Came:
    since = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    given = [await _pagination(probe, limit) for limit in ({}, {"limit": 5_000})]
    only = await _pagination(probe, {"date_from": since, "limit": 1})
    return f"by default {given[0]}; of 5000 {given[1]}; from ten minutes ago {only}", None


@question("a list with this order's cart reference", "the filter is known; what came is looked at")
async def _(probe: Probe) -> Came:
    answer = await probe.send("GetCheckoutOrders", query={"cart_reference": probe.reference, "limit": 5})
    orders: list[dict[str, Any]] = answer.members().get("data") or []
    ids = [order.get("id") for order in orders]
    others = sum(found not in probe.made for found in ids)
    return f"{answer}; {len(ids) - others} of its own, {others} others", not others and probe.order_id in ids


# Refusals


@question("an order that there is not", "a 404 with a code is `NotFoundError`")
async def _(probe: Probe) -> Came:
    return _refusal(await probe.send("GetCheckoutOrder", order_id=f"{probe.reference}-none"))


@question("a token that is none", "401 or 403; `TokenError`")
async def _(probe: Probe) -> Came:
    answer = await probe.send("GetCheckoutOrder", client=probe.client.scoped(auth=probe.reference))
    return str(answer), answer.status in (401, 403)


@question("a merchant that there is not", "an error")
async def _(probe: Probe) -> Came:
    answer = await probe.send("GetCheckoutOrder", client=probe.client.scoped(merchant=probe.reference))
    return str(answer), not answer.ok


@question("a body that is no JSON", "never sent")
async def _(probe: Probe) -> Came:
    return _refusal(await probe.send(PATCH_ATTRIBUTES, b"{"))


@question("a body of another shape", "never sent")
async def _(probe: Probe) -> Came:
    return _refusal(await probe.send(PATCH_ATTRIBUTES, ["not", "an", "object"]))


# The order's state, and its end


@question("PUT of the state `processing`, and what it answers", "tried; a 202 is `accepted`")
async def _(probe: Probe) -> Came:
    answer = await probe.send("UpdateCheckoutOrderState", {"currentStatus": "processing"})
    state = object_of((await probe.order()).get("state"))
    return f"{answer}; the state is then {_shown(state, 'currentStatus')}", None


@question("a change of attributes and consents outside state `checkout`", "tried; what the API says is raised")
async def _(probe: Probe) -> Came:
    state = object_of((await probe.order()).get("state")).get("currentStatus")
    attributes = await probe.send(PATCH_ATTRIBUTES, {"late": True})
    consent = await probe.send(CREATE_CONSENT, {"id": "ci_late", "checked": True})
    return f"in `{state}`: attributes {attributes}; consent {consent}", None


@question("DELETE of an order, then reading it, then a second DELETE", "the second one's 404 says that it is gone")
async def _(probe: Probe) -> Came:
    answers = [await probe.send(name) for name in ("DeleteCheckoutOrder", "GetCheckoutOrder", "DeleteCheckoutOrder")]
    return "; then ".join(map(str, answers)), answers[0].ok and answers[1].status == 404


def _attributes(order: dict[str, Any]) -> dict[str, Any]:
    return object_of(order.get("attributes"))


async def _pagination(probe: Probe, query: dict[str, Any]) -> str:
    """What a list says of itself; of the orders in it nothing but how many."""
    found = (await probe.send("GetCheckoutOrders", query=query)).members()
    said = ", ".join(f"{name} {value}" for name, value in object_of(found.get("pagination")).items())
    return f"{len(found.get('data') or [])} orders ({said})"
