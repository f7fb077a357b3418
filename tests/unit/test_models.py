"""The models against the contract, and what they are like as Python values."""

import copy
import inspect
import json
import keyword
import pickle
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from contract.openapi import ours
from rich.pretty import pretty_repr

from norce_order_async.batch import Input, InputLine, JournalRow, Outcome, PatchAttributes
from norce_order_async.cli.masking import as_text, masked
from norce_order_async.cli.order_text import order_text
from norce_order_async.cli.tree import print_tree
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.options import CallOptions
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire import models
from norce_order_async.wire.codec import structure
from norce_order_async.wire.json import JSON
from norce_order_async.wire.json_text import from_json, to_json
from norce_order_async.wire.models import (
    NOT_SET,
    Address,
    Callback,
    Cart,
    Consent,
    Customer,
    Hook,
    Item,
    Model,
    Notification,
    Order,
    OrderStatus,
    PaymentAction,
    Price,
    Recurring,
    State,
    Transition,
)

SCHEMAS: dict[str, dict[str, Any]] = ours()["schemas"]
ENUMS = {name for name, schema in SCHEMAS.items() if "enum" in schema}
OBJECTS = {name for name, schema in SCHEMAS.items() if "properties" in schema}
JSON_KINDS = {"string": "str", "boolean": "bool", "integer": "int", "number": "Decimal", "object": "Mapping[str, JSON]"}


def python_name(wire_name: str) -> str:
    name = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), wire_name)
    return f"{name}_" if keyword.iskeyword(name) else name


def annotation(schema: dict[str, Any]) -> str:
    """How a member of this schema is annotated."""
    if schema.get("type") == "array":
        return f"Sequence[{annotation(schema['items']).removesuffix(' | None')}]"
    name = schema.get("$ref", "").removeprefix("#/schemas/")
    if name in ENUMS:
        return f"{name} | str | None"
    if name in OBJECTS:
        return f"{name} | None"
    if schema.get("format") == "date-time":
        return "datetime | None"
    return JSON_KINDS[(SCHEMAS[name] if name else schema)["type"]] + " | None"


def own_classes(base: type) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(models).items()
        if inspect.isclass(value) and issubclass(value, base) and value not in (Model, StrEnum)
    }


def test_there_is_a_class_for_every_schema_and_no_other() -> None:
    assert OBJECTS | ENUMS | {"Attributes"} == SCHEMAS.keys()
    assert own_classes(Model).keys() == OBJECTS
    assert own_classes(StrEnum).keys() == ENUMS


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_model_has_the_members_of_its_schema_and_no_other(name: str) -> None:
    expected = {python_name(member): annotation(schema) for member, schema in SCHEMAS[name]["properties"].items()}
    assert own_classes(Model)[name].__annotations__ == expected


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_nothing_is_required_to_make_a_model(name: str) -> None:
    empty: Model = own_classes(Model)[name]()
    assert empty.extra == {}
    for member, kind in type(empty).__annotations__.items():
        assert getattr(empty, member) is (NOT_SET if kind.startswith("Sequence") else None)


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_an_enumeration_has_the_values_of_its_schema(name: str) -> None:
    values = {member.name: member.value for member in own_classes(StrEnum)[name]}
    assert values == {python_name(value).upper(): value for value in SCHEMAS[name]["enum"]}


@pytest.mark.parametrize("name", sorted(OBJECTS | ENUMS))
def test_a_docstring_names_the_schema(name: str) -> None:
    assert (inspect.getdoc(getattr(models, name)) or "").startswith(f"Schema ``{name}``: ")


LISTS = [
    (model, field)
    for model in own_classes(Model).values()
    for field in attrs.fields(model)
    if str(field.type).startswith("Sequence") and field.name != "unread"
]


@pytest.mark.parametrize(
    ("model", "field"), LISTS, ids=lambda given: given.__name__ if isinstance(given, type) else given.name
)
def test_a_list_is_kept_as_it_was_given_and_as_it_is_read(model: Any, field: Any) -> None:
    given: list[Any] = [Model()]
    made = model(**{field.name: given})
    assert made == model(**{field.name: tuple(given)})
    given.append(Model())
    assert getattr(made, field.name) == (Model(),)
    assert getattr(model(), field.name) is NOT_SET
    assert inspect.signature(model).parameters[field.name].annotation == model.__annotations__[field.name]


def test_the_types_in_the_signature_of_a_model_can_be_looked_up() -> None:
    parameters = inspect.signature(Price, eval_str=True).parameters
    assert parameters["unread"].annotation == inspect.signature(Model, eval_str=True).parameters["unread"].annotation
    assert parameters["including_vat"].annotation == Decimal | None


def test_what_is_written_and_read_again_is_equal() -> None:
    cart = Cart(items=[Item(sku="a", items=[])], discounts=[])
    assert from_json(to_json(cart), Cart) == cart


def test_not_set_is_an_empty_sequence_that_survives_copies() -> None:
    assert list(NOT_SET) == []
    assert NOT_SET == ()
    assert repr(NOT_SET) == "()"
    assert copy.copy(NOT_SET) is NOT_SET
    assert copy.deepcopy(Cart()).items is NOT_SET
    assert pickle.loads(pickle.dumps(Cart())).items is NOT_SET


def test_models_are_frozen_and_take_names_only() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Consent().checked = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        Consent("c_1")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]


def test_models_compare_copy_and_evolve() -> None:
    order = Order(id="o_1", cart=Cart(items=(Item(sku="A"), Item(sku="B"))), extra={"new": [1]})
    assert pickle.loads(pickle.dumps(order)) == order
    assert copy.deepcopy(order) == order
    assert attrs.evolve(order, id="o_2") != order
    assert attrs.evolve(order, id="o_2").extra == {"new": [1]}


def test_the_repr_shows_what_was_given() -> None:
    assert repr(Order()) == "Order()"
    given = Order(id="o_1", cart=Cart(items=[]), total=Price(), extra={"new": 1})
    assert repr(given) == "Order(id='o_1', cart=Cart(items=()), total=Price(), extra=['new'])"


def test_the_repr_is_short() -> None:
    order = Order(
        created=datetime(2026, 1, 31, 12, tzinfo=UTC),
        state=State(current_status=OrderStatus.CHECKOUT, transitions=3 * [Transition()]),
        cart=Cart(items=1000 * [Item(name="x")], total=Price(including_vat=Decimal("1.50"))),
        consents=[Consent(id="c", text=1000 * "x")],
        attributes={f"key{number}": 1000 * "x" for number in range(1000)},
    )
    assert repr(order) == (
        "Order(created=2026-01-31 12:00:00+00:00, state=State(current_status='checkout', transitions=<3 Transition>), "
        "cart=Cart(items=<1000 Item>, total=Price(including_vat=1.50)), consents=<1 Consent>, "
        "attributes=['key0', 'key1', 'key2', 'key3', 'key4', 'key5', ...])"
    )
    assert len(repr(order.consents)) < 100


def test_the_repr_has_no_personal_data() -> None:
    """Everything of a text in an address, but for its country, reference and kind."""
    texts = {field.name: "canary" for field in attrs.fields(Address) if field.name not in ("attributes", "unread")}
    texts |= {"type": "person", "reference": "r-1", "country": "SE"}
    extra = texts.pop("extra")
    given: Any = {**texts, "extra": {"name": extra}, "attributes": {"a": extra}}
    order = Order(customer=Customer(billing=Address(**given)), attributes={"name": "canary"})
    assert repr(order) == (
        "Order(customer=Customer(billing=Address(type='person', reference='r-1', country='SE', attributes=['a'], "
        "extra=['name'], ...)), attributes=['name'])"
    )
    assert "canary" not in repr(structure({"phone": {"a": "canary"}, "email": "canary"}, Address))


def test_rich_shows_what_the_repr_does() -> None:
    hook = Hook(invoke="https://u:canary@h/x?code=canary")
    order = Order(
        id="o_1", hooks=[hook], customer=Customer(billing=Address(given_name="canary")), attributes={"a": "canary"}
    )
    for model in (hook, order):
        shown = pretty_repr(model, max_width=1000)
        assert shown == repr(model)
        assert "canary" not in shown


def test_a_change_and_options_show_no_values_that_may_be_secret() -> None:
    change = PatchAttributes("o_1", {"email": "canary"})
    assert repr(change) == "PatchAttributes(order_id='o_1', merchant=None, channel=None, attributes=['email'])"
    assert "headers={'x-gateway-key': '***'}" in repr(CallOptions(headers={"x-gateway-key": "canary"}))


LINE: dict[str, JSON] = {"op": "update_billing_address", "order_id": "o_1", "address": {"emial": "canary"}}


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (None, "None"),
        (LINE, "{'op': 'update_billing_address', 'order_id': 'o_1', 'address': ['emial']}"),
        (
            {"consent_id": "ci", "checked": True, "email": "canary", "phone": 467012345, "payment_id": ["canary"]},
            "{'consent_id': 'ci', 'checked': True, 'email': <6 characters>, 'phone': ..., 'payment_id': <1 element>}",
        ),
        ({"_raw": "{broken canary"}, "{'_raw': <14 characters>}"),
        ("canary", "<6 characters>"),
        ("c", "<1 character>"),
        ({f"m{n}": None for n in range(21)}, "{" + "".join(f"'m{n}': None, " for n in range(20)) + "...}"),
    ],
    ids=["none", "line", "members", "raw", "text", "character", "many"],
)
def test_what_holds_a_line_of_a_batch_shows_no_values_that_may_be_personal(record: JSON, shown: str) -> None:
    row = JournalRow(
        number=1, line=1, file=None, record=record, outcome=OutcomeKind.REJECTED, attempts=1,
        started=None, elapsed=None, status=400, request_id=None, error=None, message=None,
    )  # fmt: skip
    outcome = Outcome(1, 1, None, OutcomeKind.REJECTED, source=record)
    for value in (InputLine(1, problem="wrong", source=record), outcome, row):
        assert f"={shown}, " in repr(value)
        assert "canary" not in repr(value)


def test_a_line_that_is_not_read_yet_does_not_show_itself(tmp_path: Path) -> None:
    (tmp_path / "changes.jsonl").write_text(json.dumps({"op": "patch_attributes", "order_id": "o_1", "a": "canary"}))
    (entry,) = cast("Iterator[InputLine]", Input(tmp_path / "changes.jsonl").unread())
    assert "canary" not in repr(entry)


def test_an_order_as_text_tells_what_could_not_be_read() -> None:
    order = structure({"id": "o_1", "created": "", "cart": {"items": [{"quantity": Decimal("1.50")}]}}, Order)
    assert order_text(order).splitlines()[-3:] == [
        "Could not be read",
        '  created  ""',
        "  cart.items[0].quantity  1.50",
    ]


@pytest.mark.parametrize("shows", [order_text, print_tree, masked])
@pytest.mark.parametrize("member", ["attributes", "reference"])
def test_what_is_nested_too_deeply_to_be_shown_is_told_as_that(shows: Callable[[Order], object], member: str) -> None:
    value: JSON = "canary"
    for _ in range(600):
        value = {"a": value}
    with pytest.raises(InvalidRequestError, match=r"a: nested deeper than 64 levels$"):
        shows(structure({"id": "o_1", member: value}, Order))


def test_the_characters_of_what_could_not_be_read_do_not_control_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    order = structure({"id": "o_1", "reference": ["\x9b31m\u202e"]}, Order)
    print_tree(order)
    for text in (order_text(order), capsys.readouterr().out):
        assert '["\\x9b31m\\u202e"]' in text


def test_a_secret_that_could_not_be_read_is_in_no_text_and_no_tree(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    hook = {"invoke": ["https://u:canary@h/x?code=canary"]}
    payments: list[JSON] = [{"recurring": {"token": ["canary"]}}, {"recurring": [{"token": "canary"}]}]
    validations: list[JSON] = ["https://u:canary@h/x?code=canary"]
    notices: list[JSON] = [
        {"headers": {"x-site": "canary", "more": [1, {"a": None, "token": 5}]}, "api_token": "canary"}
    ]
    parts: dict[str, JSON] = {"payments": payments, "validations": validations, "notifications": notices}
    wire: JSON = {"id": "o_1", "hooks": [hook], **parts}
    order = structure(wire, Order)
    print_tree(order)
    for text in (order_text(order), capsys.readouterr().out):
        assert "payments[0].recurring.token  (not shown; --output json has it)" in text
        assert 'payments[1].recurring  [{"token":"(not shown; --output json has it)"}]' in text
        assert 'hooks[0].invoke  ["https://***@h/x?code=***"]' in text
        assert 'validations[0]  "https://***@h/x?code=***"' in text
        assert "canary" not in text
    shown = as_text(masked(order))
    not_shown = '"(not shown; --output json has it)"'
    assert f'"headers":{{"x-site":{not_shown},"more":[1,{{"a":null,"token":{not_shown}}}]}}' in shown
    assert "canary" not in shown


def test_the_repr_hides_payment_tokens() -> None:
    assert repr(Recurring(token="secret", description="monthly")) == "Recurring(description='monthly', ...)"
    assert "secret" not in repr(structure({"token": ["secret"]}, Recurring))


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/hooks?secret=hunter22&x",
        "https://user:hunter22@a.example/",
        "https://user:hun/hunter22@a.example/x?k=v",
        "user:hunter22@a.example/x",
        "https://a.example/#hunter22",
        "{config.address}/hooks?hunter22",
    ],
)
def test_the_repr_hides_the_secrets_of_adapters_in_addresses(url: str) -> None:
    for model in (Hook(invoke=url), Notification(invoke=url), Callback(url=url), PaymentAction(url=url)):
        assert "hunter22" not in repr(model)
    assert repr(Hook(invoke="https://a.example/?s=hunter22")) == "Hook(invoke='https://a.example/?s=***')"
    assert repr(Callback(url="https://a.example/v/{order_id}")) == "Callback(url='https://a.example/v/{order_id}')"
