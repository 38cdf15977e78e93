"""Endpoints as what stands before them reads it: Prometheus, LiteLLM, nginx. No key is in any of it.

Each returns a text, and what it leaves out with the reason. What only its own host reaches is left out of all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glmprov.results.endpoint import HostEndpoint

Written = tuple[str, tuple[str, ...]]


def prometheus(endpoints: Sequence[HostEndpoint]) -> Written:
    """Return a file of Prometheus' file_sd_configs: stopped instances too, so that `up` is 0 for them.

    https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
    """
    groups, left = [], []
    for each in endpoints:
        reason = _unreachable(each) or _without_metrics(each)
        if reason:
            left.append(_left(each, reason))
            continue
        labels = {
            "host": each.host,
            "name": each.name,
            "recipe": each.recipe,
            "engine": each.engine,
            "model": each.model,
        }
        groups.append({"targets": [each.target], "labels": labels})
    return json.dumps(groups, indent=2, ensure_ascii=False), tuple(left)


def litellm(endpoints: Sequence[HostEndpoint]) -> Written:
    """Return LiteLLM's config.yaml with what serves now; each key is a variable of the proxy's environment.

    https://docs.litellm.ai/docs/proxy/configs
    """
    import yaml

    serving, left = _serving(endpoints)
    models = [_litellm_model(each) for each in serving]
    keys = "".join(
        f"#   {key_variable(each)}: in {each.key_file} on {each.host}, for root only\n"
        for each in serving
        if each.key_file
    )
    head = f"# Variables that the proxy wants in its environment:\n{keys}" if keys else ""
    return head + yaml.safe_dump({"model_list": models}, sort_keys=False, allow_unicode=True).rstrip(), left


def _litellm_model(each: HostEndpoint) -> Mapping[str, Any]:
    key = f"os.environ/{key_variable(each)}" if each.key_file else "none"
    return {
        "model_name": each.model,
        "litellm_params": {
            "model": f"openai/{each.model}",
            "api_base": f"http://{each.target}/v1",
            "api_key": key,
        },
    }


def key_variable(each: HostEndpoint) -> str:
    """Return the name of the variable that holds an endpoint's key: GLMPROV_KEY_TURIN_8X_GLM."""
    return f"GLMPROV_KEY_{_word(each.host)}_{_word(each.name)}".upper()


def nginx(endpoints: Sequence[HostEndpoint]) -> Written:
    """Return an upstream for each model; what is reachable and doesn't serve now is marked down.

    https://nginx.org/en/docs/http/ngx_http_upstream_module.html
    """
    by_model: dict[str, list[HostEndpoint]] = {}
    left = []
    for each in endpoints:
        reason = _unreachable(each)
        if reason:
            left.append(_left(each, reason))
        else:
            by_model.setdefault(each.model, []).append(each)
    return "\n".join(_upstream(model, those) for model, those in by_model.items()), tuple(left)


def _upstream(model: str, endpoints: Sequence[HostEndpoint]) -> str:
    servers = "".join(
        f"    server {each.target}{'' if each.serves else ' down'};  # {each.host} {each.name}, {_key(each)}\n"
        for each in endpoints
    )
    return f"upstream {_word(model).lower()} {{\n    least_conn;\n{servers}}}"


def _key(each: HostEndpoint) -> str:
    return f"its key is in {each.key_file}" if each.key_file else "no key"


def _serving(endpoints: Sequence[HostEndpoint]) -> tuple[list[HostEndpoint], tuple[str, ...]]:
    reasons = [(each, _unreachable(each) or _silent(each)) for each in endpoints]
    return [each for each, reason in reasons if not reason], tuple(
        _left(each, reason) for each, reason in reasons if reason
    )


def _unreachable(each: HostEndpoint) -> str:
    if not each.port:
        return each.error.message if each.error else "nobody knows where it listens"
    wider = f"glmprov_instances.{each.name}.listen can say where else"
    return f"it listens at {each.listen}, which only its host reaches; {wider}" if each.local else ""


def _silent(each: HostEndpoint) -> str:
    return "" if each.serves else "it doesn't serve now"


def _without_metrics(each: HostEndpoint) -> str:
    if each.metrics is None:
        return "whether an image with its own launcher serves /metrics isn't known"
    return "" if each.metrics else "it serves no /metrics: --set enable-metrics"


def _left(each: HostEndpoint, reason: str) -> str:
    return f"{' '.join(filter(None, (each.host, each.name)))} is left out: {reason}"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


GATEWAYS: Mapping[str, Callable[[Sequence[HostEndpoint]], Written]] = {
    "prometheus-sd": prometheus,
    "litellm": litellm,
    "nginx": nginx,
}
