"""The adapter in FastAPI: `uvicorn fastapi_adapter:app --no-access-log`."""

from adapter import receiver
from fastapi import FastAPI

app = FastAPI()
app.mount("/norce", receiver)


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}
