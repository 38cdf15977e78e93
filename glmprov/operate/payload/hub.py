"""What a model hub holds: a model's revision as a commit, and its files with their sums."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urljoin

from glmprov.operate.payload.fetching import opener, why
from glmprov.operate.payload.telling import Fault

ASK_SECONDS = 60.0
LARGEST_PAGE_BYTES = 64 << 20
MOST_PAGES = 1000


def headers(orders: dict[str, Any]) -> dict[str, str]:
    said = {"User-Agent": "glmprov"}
    if orders.get("token"):
        said["Authorization"] = f"Bearer {orders['token']}"
    return said


def listing(orders: dict[str, Any]) -> Any:
    """Return the commit behind a model's revision, and the files in it with sizes and sums."""
    base = f"{orders['endpoint']}/api/models/{quote(orders['model'])}"
    about, _ = page(f"{base}/revision/{quote(orders['revision'], safe='')}", orders)
    commit = about["sha"]
    files: list[dict[str, Any]] = []
    url = f"{base}/tree/{commit}?recursive=true"
    for _ in range(MOST_PAGES):
        found, url = page(url, orders)
        files += [described(each) for each in found if each["type"] == "file"]
        if not url:
            break
    return {"revision": commit, "files": files}


def described(each: dict[str, Any]) -> dict[str, Any]:
    """Return a file of a listing. Large ones have a sha256, small ones are known by Git's own sum."""
    large = each.get("lfs")
    if large:
        return {"path": each["path"], "size_bytes": large["size"], "sha256": large["oid"]}
    return {"path": each["path"], "size_bytes": each["size"], "git_sha1": each["oid"]}


def page(url: str, orders: dict[str, Any]) -> tuple[Any, str]:
    """Return what the hub answers, and where the next page is, "" at the end."""
    try:
        request = urllib.request.Request(url, headers=headers(orders))
        with opener().open(request, timeout=ASK_SECONDS) as answer:
            content = json.loads(answer.read(LARGEST_PAGE_BYTES))
            following = re.search(r'<([^>]+)>\s*;\s*rel="next"', answer.headers.get("Link") or "")
            return content, urljoin(url, following[1]) if following else ""
    except urllib.error.HTTPError as refusal:
        raise refused(refusal, url) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Fault("hub-down", f"{url}: {why(error)}") from None


def refused(refusal: urllib.error.HTTPError, url: str) -> Fault:
    """Return a refusal of the hub's, in its own words where it gives any."""
    said = refusal.headers.get("X-Error-Message") or f"{refusal.code} {refusal.reason}"
    if refusal.code in (401, 403):
        return Fault("denied", f"{url}: {said}")
    if refusal.code in (404, 410):
        return Fault("not-there", f"{url}: {said}")
    return Fault("hub-down", f"{url}: {said}")
