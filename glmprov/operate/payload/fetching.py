"""HTTP as a host's own programs speak it: whom the system trusts, and a secret goes to nobody but who was asked."""

from __future__ import annotations

import contextlib
import glob
import http.client
import os
import ssl
import urllib.request
from typing import Any
from urllib.parse import urlsplit


class Careful(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but takes no secret along to another host."""

    def redirect_request(
        self, request: urllib.request.Request, body: Any, code: int, text: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        code = 307 if code == 308 else code  # which Python knows since 3.11
        following = super().redirect_request(request, body, code, text, headers, url)
        if following is not None and urlsplit(url).netloc != urlsplit(request.full_url).netloc:
            following.remove_header("Authorization")
        return following

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


def opener(extra_authorities: str = "") -> urllib.request.OpenerDirector:
    """Return what opens URLs. extra_authorities: a pattern of files with certificates that count too."""
    trust = ssl.create_default_context()
    for path in glob.glob(extra_authorities):
        with contextlib.suppress(OSError):
            trust.load_verify_locations(path)
    return urllib.request.build_opener(Careful(), urllib.request.HTTPSHandler(context=trust))


def docker_opener(base: str) -> urllib.request.OpenerDirector:
    """Return what trusts whom Docker trusts at a registry."""
    return opener(os.path.join("/etc/docker/certs.d", urlsplit(base).netloc, "*.crt"))


def why(error: Exception) -> str:
    """Return what went wrong on the network, for people."""
    reason = getattr(error, "reason", None)
    if isinstance(error, http.client.HTTPException):
        return f"the connection broke off ({type(error).__name__})"
    return str(reason or error or type(error).__name__)
