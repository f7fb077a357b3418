"""Send the request of every endpoint function to Prism, which holds it against the contract.

    npm install --prefix FOLDER @stoplight/prism-cli@5
    PYTHONPATH=tests python -m contract_clients.prism FOLDER

What Prism answers is made up of the contract's schemas; that the functions read it is not looked at here.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from contract_clients.openapi import write
from endpoint_calls import CALLS, Given
from soak_injectors.programs import Unavailable, main, running

from norce_order_async import CallError, CallOptions, OrderClient
from norce_order_async.models import Consent
from norce_order_async.transport import RawResponse
from norce_order_async.wire.table import ROWS

INVALID = Given(
    "CreateCheckoutOrderConsent",
    {"order_id": "o_1", "consent": Consent(id="ci", extra={"checked": "yes"})},
    "/api/v0/checkout/orders/o_1/consents",
)


async def violations_of(client: OrderClient, given: Given) -> list[str]:
    """Make the call; what Prism says of the request."""
    answers: list[RawResponse] = []
    try:
        await given.function(client, **given.arguments, options=CallOptions(on_response=answers.append))
    except CallError as error:
        if not answers:
            return [f"{given.name}: {error}"]
    (answer,) = answers
    found = json.loads(answer.headers.get("sl-violations", "[]"))
    of_request = [violation for violation in found if violation["location"][0] == "request"]
    # Prism makes texts up regardless of their pattern, and then holds them against it.
    if not of_request and (found or answer.status in ROWS[given.name].success):
        return []
    return [f"{given.name}: HTTP {answer.status} {of_request or answer.body.decode()}"]


async def check(folder: Path) -> list[str]:
    """Make all calls; every request that is not valid."""
    prism = folder / "node_modules" / ".bin" / "prism"
    if not prism.exists():
        raise Unavailable("the npm package @stoplight/prism-cli is not installed")
    with TemporaryDirectory() as place:
        command = [str(prism), "mock", "--errors", "--port", "0", str(write(Path(place)))]
        async with running(*command, port=r"listening on http://[\d.]+:(\d+)") as program:
            url = f"http://127.0.0.1:{program.port}"  # Prism leaves out the path of a relative server
            async with OrderClient(base_url=url, merchant="norce", channel="1", auth="token", retry=None) as client:
                violations = [line for given in CALLS for line in await violations_of(client, given)]
                if not await violations_of(client, INVALID):
                    violations.append("Prism takes an invalid request: it checks nothing")
    print(f"{len(CALLS)} requests of {len({given.name for given in CALLS})} operations")
    return violations


if __name__ == "__main__":
    sys.exit(main("Prism", check(Path(sys.argv[1]))))
