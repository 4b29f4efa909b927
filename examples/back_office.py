"""A back office: two shops in one database, with a login, the studio, and the JSON API.

``python examples/back_office.py`` uses it as a browser would, on a temporary SQLite file or on ``DATABASE_URL``.
To serve it: ``DATABASE_URL=shops.db uvicorn --factory examples.back_office:create_app``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from deebase import Database, Digits, ForeignKey, MaxLength, PrimaryKey, Text, Unique, UTCDateTime
from deebase.web import Access, Change, rest, studio

COOKIE, HOURS = "back_office", 12
LOGIN = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Log in</title>
<form method="post"><label>E-mail <input name="email" type="email" required></label>
<label>Password <input name="password" type="password" required></label> <button>Log in</button></form>
</html>"""


@dataclass
class Shop:
    """Whose rows are kept apart from those of others."""

    id: int | None
    name: str


@dataclass
class Staff:
    """Who logs in."""

    id: int | None
    shop_id: ForeignKey[int, Shop]
    email: Annotated[str, Unique]
    password: str


@dataclass
class Login:
    """A browser session. The database stores a hash of the token, which is useless for logging in."""

    token: Annotated[str, MaxLength(64), PrimaryKey]
    staff_id: ForeignKey[int, Staff]
    ends: UTCDateTime


@dataclass
class Product:
    """What a shop sells."""

    id: int | None
    shop_id: ForeignKey[int, Shop]
    name: str
    price: Annotated[Decimal, Digits(8, 2)]
    cost: Annotated[Decimal, Digits(8, 2)] | None = None


@dataclass
class Sale:
    """A product that was sold."""

    id: int | None
    shop_id: ForeignKey[int, Shop]
    product_id: ForeignKey[int, Product]
    pieces: int


@dataclass
class LogEntry:
    """Who has changed what in the studio."""

    id: int | None
    staff_id: ForeignKey[int, Staff]
    what: Text


def of_shop(staff: Staff) -> dict[str, Any]:
    """Return the columns and values of the rows that a member of the staff sees."""
    return {"shop_id": staff.shop_id}


#: What the staff sees and changes, in the studio and in the JSON API. All other tables do not exist there.
TABLES = {
    "product": Access(read=["id", "name", "price"], write=["name", "price"], delete=True, scope=of_shop),
    "sale": Access(read=["id", "product_id", "pieces"], scope=of_shop),
}


def hashed(password: str, salt: bytes | None = None) -> str:
    """Return what is stored of a password."""
    salt = secrets.token_bytes(16) if salt is None else salt
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"


def fits(password: str, stored: str) -> bool:
    """Whether a password is the stored one."""
    return hmac.compare_digest(hashed(password, bytes.fromhex(stored.partition("$")[0])), stored)


def checksum(token: str) -> str:
    """Return what is stored of the token of a browser."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_app() -> FastAPI:
    """Return the application; it opens the database of ``DATABASE_URL`` when it starts."""
    db = Database(os.environ["DATABASE_URL"])

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with db:
            await db.create_all(Shop, Staff, Login, Product, Sale, LogEntry, if_not_exists=True)
            yield

    async def current_staff(request: Request) -> Staff | None:
        """Return who has logged in with this browser."""
        login = await db.t[Login].get(checksum(request.cookies.get(COOKIE, "")), default=None)
        return None if login is None or login.ends < datetime.now(UTC) else await db.t[Staff][login.staff_id]

    async def written_down(change: Change) -> None:
        """Store who has changed what, in the transaction of the change."""
        after = {} if change.after is None else change.after
        before = {} if change.before is None else change.before
        values = [
            f"{name}: {before.get(name)} -> {value}" for name, value in after.items() if before.get(name) != value
        ]
        what = f"{change.action} {change.table} {[*change.key.values()]} {', '.join(values)}".strip()
        await db.t[LogEntry].insert(staff_id=change.user.id, what=what)

    app = FastAPI(lifespan=lifespan)
    app.state.db = db
    app.mount("/api", rest(db, TABLES, user=current_staff, title="Shop"))
    pages = studio(db, user=current_staff, login="/login", tables=TABLES, audit=written_down, title="Back office")
    app.mount("/admin", pages)

    @app.get("/login")
    async def ask() -> Response:
        return HTMLResponse(LOGIN)

    @app.post("/login")
    async def log_in(request: Request, next: str = "/admin/") -> Response:
        if urlsplit(request.headers.get("origin", "")).netloc != request.headers["host"]:
            return HTMLResponse("The form is of another site.", 403)
        form = dict(parse_qsl((await request.body()).decode()))
        found = await db.t[Staff](email=form.get("email", "")).first()
        # As long for an unknown address as for a wrong password.
        stored = hashed("") if found is None else found.password
        if not await asyncio.to_thread(fits, form.get("password", ""), stored) or found is None:
            return HTMLResponse(LOGIN, 403)
        token = secrets.token_urlsafe(32)
        ends = datetime.now(UTC) + timedelta(hours=HOURS)
        await db.t[Login].insert(token=checksum(token), staff_id=found.id, ends=ends)
        # A path of this site alone.
        place = next if re.match(r"/[^/\\]", next) else "/admin/"
        answer = RedirectResponse(place, 303)
        is_secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, token, max_age=HOURS * 3600, httponly=True, samesite="lax", secure=is_secure)
        return answer

    return app


async def filled(db: Database) -> dict[str, str]:
    """Add two shops, and one member of staff for each; return their passwords."""
    passwords = {email: secrets.token_urlsafe() for email in ("ada@example.org", "bob@example.org")}
    for email, password in passwords.items():
        shop = await db.t[Shop].insert(name=f"shop of {email}")
        await db.t[Staff].insert(shop_id=shop.id, email=email, password=hashed(password))
        for name, price in (("lamp", "20"), ("chair", "45.50")):
            product = await db.t[Product].insert(
                shop_id=shop.id, name=f"{name} of {email}", price=Decimal(price), cost=Decimal(10)
            )
            await db.t[Sale].insert(shop_id=shop.id, product_id=product.id, pieces=3)
    return passwords


async def change_price(browser: httpx.AsyncClient, path: str, price: str) -> httpx.Response:
    """Change a price in the studio: open the form, send it, and confirm the change that it shows as SQL."""
    page = (await browser.get(path)).text
    for step in ("review", "apply"):
        inputs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
        sent = {name: unescape(value) for name, value in inputs} | {"step": step, "v.price": price}
        answer = await browser.post(path, data=sent)
        page = answer.text
    return answer


async def main() -> None:
    """Log in as two members of staff, look at the same pages, and change a price."""
    app = create_app()
    async with app.router.lifespan_context(app):
        passwords = await filled(app.state.db)
        for email, password in passwords.items():
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://test",
                headers={"origin": "http://test"},
                follow_redirects=True,
            ) as browser:
                asked = await browser.get("/admin/table/product")
                print("leads to", asked.url.path, "-", (await browser.get("/api/product")).status_code, "for programs")
                wrong = await browser.post(str(asked.url), data={"email": email, "password": "guessed"})
                page = await browser.post(str(asked.url), data={"email": email, "password": password})
                print(email, wrong.status_code, page.status_code, page.url.path)
                print(sorted(set(re.findall(r"(?:lamp|chair) of [a-z@.]+", page.text))), "cost" in page.text)
                rows = (await browser.get("/api/product?order=id&select=name,price")).json()["rows"]
                print([f"{row['name']}: {row['price']}" for row in rows])
                first = await change_price(browser, "/admin/table/product/row/1/edit", "21.00")
                read = await browser.get("/api/product/1")
                print("the first product: changed", first.status_code, "- read", read.status_code)
        print([entry.what async for entry in app.state.db.t[LogEntry](order_by="id")])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        os.environ.setdefault("DATABASE_URL", f"{directory}/shops.db")
        asyncio.run(main())
