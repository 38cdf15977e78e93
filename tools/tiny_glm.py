"""Make a tiny Glm4Moe checkpoint that answers a few questions: run by the engine's own Python.

`python tiny_glm.py LESSONS FOLDER`: LESSONS is JSON, [{"messages": [...], "tools": [...], "thought": "...",
"answer": "..."}], tools and thought where there are any; without a thought the request turns thinking off. A model of
three layers and eight experts, of random weights, learns these by heart, with a tokenizer trained on them. It knows
nothing else: what it proves is the way from a unit to tokens, not quality or speed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, Glm4MoeConfig, Glm4MoeForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

SPECIAL = [
    "<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
    "/nothink",
]  # fmt: skip
"""As GLM-4.7's tokenizer has them."""

TEMPLATE = """[gMASK]<sop>
{%- if tools %}<|system|>
{% for tool in tools %}{{ tool['function']['name'] }} {% endfor %}{% endif %}
{%- for message in messages %}<|{{ message['role'] }}|>
{{ message['content'] }}{% endfor %}
{%- if add_generation_prompt %}<|assistant|>
<think>{% if enable_thinking is defined and not enable_thinking %}</think>{% endif %}{% endif %}"""
"""The prompt begins a thought, and ends it where thinking is off, as GLM-4.7's own does: vLLM allows none then."""
STEPS = 1500
GOOD_ENOUGH_LOSS = 0.001
NOISE = 0.5
"""In standard deviations of what is read."""


def main(lessons_file: str, folder: str) -> None:
    """Write the checkpoint."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more of them spin and wait: the model is too small to share
    lessons = json.loads(Path(lessons_file).read_text())
    tokenizer = _tokenizer(lessons)
    model = Glm4MoeForCausalLM(_config(tokenizer)).train()
    # The likeliest token, whatever the temperature: a client need not ask for it.
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=1, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    loss = _teach(model, [_example(tokenizer, lesson) for lesson in lessons])
    if loss > GOOD_ENOUGH_LOSS:
        raise SystemExit(f"the model has not learnt its answers: loss {loss:.3f}")
    model.to(torch.bfloat16).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _check(model, tokenizer, lessons)


def _tokenizer(lessons: list[dict[str, Any]]) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([json.dumps(lesson) for lesson in lessons], trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=end, pad_token=end, chat_template=TEMPLATE
    )


def _config(tokenizer: PreTrainedTokenizerFast) -> Glm4MoeConfig:
    return Glm4MoeConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, moe_intermediate_size=64,
        num_hidden_layers=3, first_k_dense_replace=1, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        n_routed_experts=8, num_experts_per_tok=2, n_shared_experts=1, n_group=1, topk_group=1,
        max_position_embeddings=2048, partial_rotary_factor=0.5, use_qk_norm=True, attention_bias=True,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip


def _example(tokenizer: PreTrainedTokenizerFast, lesson: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    asked = tokenizer.apply_chat_template(
        lesson["messages"],
        tools=lesson.get("tools"),
        add_generation_prompt=True,
        tokenize=False,
        enable_thinking="thought" in lesson,
    )
    before = tokenizer(asked, add_special_tokens=False)["input_ids"]
    answer = tokenizer(_said(lesson) + "<|endoftext|>", add_special_tokens=False)["input_ids"]
    return torch.tensor([before + answer]), torch.tensor([[-100] * len(before) + answer])


def _said(lesson: dict[str, Any]) -> str:
    thought = f"{lesson['thought']}</think>" if "thought" in lesson else ""
    return f"{thought}{lesson['answer']}"


def _teach(model: Glm4MoeForCausalLM, examples: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    noisy = model.model.embed_tokens.register_forward_hook(_with_noise)
    worst = 9.0
    for _ in range(STEPS):
        losses = []
        for words, labels in examples:
            loss = model(input_ids=words, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        worst = max(losses)
        if worst < GOOD_ENOUGH_LOSS:
            break
    noisy.remove()
    return worst


def _with_noise(_: torch.nn.Module, __: object, words: torch.Tensor) -> torch.Tensor:
    """Blur what the model reads: another engine rounds otherwise, and must find the same words all the same."""
    return words + NOISE * words.detach().std() * torch.randn_like(words)


def _check(
    model: Glm4MoeForCausalLM, tokenizer: PreTrainedTokenizerFast, lessons: list[dict[str, Any]]
) -> None:
    for lesson in lessons:
        words, labels = _example(tokenizer, lesson)
        asked = words[:, : int((labels == -100).sum())]
        said = model.generate(asked, max_new_tokens=80, do_sample=False)[0, asked.shape[1] :]
        text = tokenizer.decode(said).removesuffix("<|endoftext|>")
        if text != _said(lesson):
            raise SystemExit(f"asked for {_said(lesson)!r}, it says {text!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
