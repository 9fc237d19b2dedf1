"""Runs 20 steps of GA, NPO and plain fine-tuning, full and LoRA (peft), in straightforward PyTorch.

Usage: train_oracle.py OUT_FOLDER. Batches are padded with eos and labels equal to eos are masked, as
the reference's collator does. worker/engine/train/train_oracle_test.cc repeats the trainings.
"""

import copy
import json
import math
import os
import random
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, get_cosine_schedule_with_warmup

EOS = 4
VOCAB = 97
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Random:
    """base/random.h."""

    def __init__(self, seed, name):
        self.key = mix((seed + GOLDEN) & MASK)
        for byte in name.encode():
            self.key = mix(self.key ^ ((byte + GOLDEN) & MASK))
        self.counter = 0

    def next(self):
        self.counter += 1
        return mix((self.key + GOLDEN * self.counter) & MASK)

    def below(self, bound):
        threshold = (1 << 64) % bound
        value = self.next()
        while value < threshold:
            value = self.next()
        return value % bound

    def uniform(self):
        return (self.next() >> 11) * 2.0**-53


def epoch_order(seed, epoch, count):
    order = list(range(count))
    rng = Random((seed + epoch * GOLDEN) & MASK, "epoch order")
    for i in range(count, 1, -1):
        j = rng.below(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def collate(batch):
    """Pads with eos; labels equal to eos (the padding, and the texts' own last token) are masked."""
    longest = max(map(len, batch))
    ids = torch.tensor([t + [EOS] * (longest - len(t)) for t in batch])
    attention = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in batch])
    return ids, attention, ids.masked_fill(ids == EOS, -100)


def token_losses(model, ids, attention, labels):
    logits = model(input_ids=ids, attention_mask=attention).logits[:, :-1]
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), labels[:, 1:].reshape(-1), ignore_index=-100,
                           reduction="none").view(ids.size(0), -1)


def batch_loss(model, reference, objective, beta, batch):
    ids, attention, labels = collate(batch)
    losses = token_losses(model, ids, attention, labels)
    if objective == "npo":
        with torch.no_grad():
            ref = token_losses(reference, ids, attention, labels).sum(-1)
        return -(2 / beta) * F.logsigmoid(beta * (losses.sum(-1) - ref)).mean()
    mean = losses.sum() / (labels[:, 1:] != -100).sum()
    return -mean if objective == "ga" else mean


def with_adapters(model, case):
    config = LoraConfig(r=case["rank"], lora_alpha=case["alpha"], target_modules=["q_proj", "v_proj"], lora_dropout=0.0,
                        task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            linear = name.removeprefix("base_model.model.").removesuffix(".lora_A.default.weight")
            rng = Random(case["seed"], "lora_A." + linear)
            bound = 1.0 / math.sqrt(parameter.shape[1])
            values = [(2 * rng.uniform() - 1) * bound for _ in range(parameter.numel())]
            parameter.data.copy_(torch.tensor(values, dtype=torch.float64).float().view_as(parameter))
    return model


def train(base, case):
    """Accumulates as transformers' Trainer does: the last group of an epoch divides by its own count."""
    model = copy.deepcopy(base)
    reference = copy.deepcopy(base).eval()
    if case["lora"]:
        model = with_adapters(model, case)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=case["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    texts = [([int(w) for w in t.split()] + [EOS])[:case["cutoff_tokens"]] for t in case["texts"]]
    batches = math.ceil(len(texts) / case["batch_size"])
    total = math.ceil(batches / case["accumulation"]) * case["epochs"]
    schedule = get_cosine_schedule_with_warmup(optimizer, case["warmup_steps"], total)
    losses, norms, rates = [], [], []
    for epoch in range(case["epochs"]):
        order = epoch_order(case["seed"], epoch, len(texts))
        groups = [order[i:i + case["batch_size"]] for i in range(0, len(order), case["batch_size"])]
        for begin in range(0, len(groups), case["accumulation"]):
            group = groups[begin:begin + case["accumulation"]]
            total_loss = 0.0
            for batch in group:
                loss = batch_loss(model, reference, case["objective"], case["beta"], [texts[i] for i in batch]) / len(group)
                loss.backward()
                total_loss += loss.item()
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, case["max_gradient_norm"]).item())
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(total_loss)
    assert len(losses) == total
    weights = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            name = name.removeprefix("base_model.model.").replace(".default.weight", "")
            weights[name] = parameter.detach().clone().contiguous()
    return {"losses": losses, "norms": norms, "learning_rates": rates}, weights


def make_texts(rng, count):
    texts = []
    for i in range(count):
        words = [rng.randint(5, VOCAB - 1) for _ in range(rng.choice([2, 3, 7, 20, 45, 60]))]
        if i % 6 == 0:
            words.insert(len(words) // 2, EOS)  # eos within a text is masked, too
        texts.append(" ".join(map(str, words)))
    texts[5] = "17"  # nothing to learn from
    return texts


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    models = {}
    for name, tied in (("tied", True), ("untied", False)):
        torch.manual_seed(3)
        config = LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
                             num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=tied,
                             initializer_range=0.15, bos_token_id=0, eos_token_id=EOS, pad_token_id=None,
                             attn_implementation="eager")
        models[name] = LlamaForCausalLM(config).float().eval()
        models[name].save_pretrained(os.path.join(out, name))
    rng = random.Random(11)
    for objective in ("ga", "npo", "lm"):
        for lora in (False, True):
            # 27 texts in batches of 3: 9 batches, so the fifth group of an epoch holds one; 5 steps x 4 epochs.
            case = {"objective": objective, "lora": lora, "rank": 4, "alpha": 8.0, "beta": 0.2, "seed": 42, "eos": EOS,
                    "learning_rate": 2e-3 if lora else 2e-4, "warmup_steps": 4, "batch_size": 3, "accumulation": 2, "epochs": 4,
                    "max_gradient_norm": 1.0 if not lora else 0.5, "cutoff_tokens": 48, "texts": make_texts(rng, 27),
                    "model": "untied" if objective == "lm" else "tied"}
            result, weights = train(models[case["model"]], case)
            name = f"{objective}_{'lora' if lora else 'full'}"
            print(name, "losses", result["losses"][0], result["losses"][-1], "norms", min(result["norms"]), max(result["norms"]))
            save_file(weights, os.path.join(out, name + ".safetensors"))
            with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as file:
                json.dump({**case, **result}, file)


if __name__ == "__main__":
    main()
