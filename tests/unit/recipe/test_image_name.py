"""Images' names, as Docker takes them apart."""

from __future__ import annotations

import pytest

from glmprov.errors import UsageError
from glmprov.recipe.image_name import image_name

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest", "repository"),
    [
        ("vllm/vllm-openai:v0.16.0", "docker.io", "vllm/vllm-openai", "v0.16.0", "", "vllm/vllm-openai"),
        ("lmsysorg/sglang", "docker.io", "lmsysorg/sglang", "latest", "", "lmsysorg/sglang"),
        ("busybox", "docker.io", "library/busybox", "latest", "", "busybox"),
        ("docker.io/library/busybox:1", "docker.io", "library/busybox", "1", "", "busybox"),
        ("index.docker.io/a/b", "docker.io", "a/b", "latest", "", "a/b"),
        ("localhost:5000/a:b", "localhost:5000", "a", "b", "", "localhost:5000/a"),
        ("ghcr.io/a/b/c:1.2", "ghcr.io", "a/b/c", "1.2", "", "ghcr.io/a/b/c"),
        (f"a/b@{DIGEST}", "docker.io", "a/b", "", DIGEST, "a/b"),
        (f"r.example/a/b:t@{DIGEST}", "r.example", "a/b", "t", DIGEST, "r.example/a/b"),
    ],
)
def test_parts(text: str, registry: str, path: str, tag: str, digest: str, repository: str) -> None:
    name = image_name(text)
    assert (name.registry, name.path, name.tag, name.digest) == (registry, path, tag, digest)
    assert name.repository == repository
    assert image_name(str(name)) == name


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Vllm/Vllm", "lower case"),
        ("a b", "lower case"),
        ("", "lower case"),
        ("a:b:c", "is no tag"),
        ("a:", "is no tag"),
        ("a@sha256:abc", "is no sha256 digest"),
        ("a@", "is no sha256 digest"),
        ("a;rm -rf", "lower case"),
        ("a/../b", "lower case"),
    ],
)
def test_what_docker_would_not_take(text: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        image_name(text)
