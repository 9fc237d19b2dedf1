"""Runs 20 steps of every objective and retain term, full, LoRA (peft) and of some layers, on a tiny model of every family
(transformers), in straightforward padded PyTorch; the loss of DPO is trl's.

Beside float32 there are trainings in bfloat16: products under torch.autocast, weights, gradients and AdamW in float32. They begin
with weights that bfloat16 holds exactly, as published ones do.

Usage: train_oracle.py OUT_FOLDER. Texts are padded with eos and labels equal to eos are masked, as the reference's collator
does. worker/engine/train/train_oracle_test.cc repeats the trainings.
"""

import copy
import json
import math
import os
import random
import sys
from types import SimpleNamespace

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch.nn import functional as F
import transformers
from trl import DPOTrainer

EOS = 4
END_OF_TURN = 3
VOCAB = 97
STEPS = 20
FAMILIES = ("llama", "mistral", "phi3", "qwen2")
TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "mistral": ["q_proj", "v_proj"],
    "phi3": ["qkv_proj", "gate_up_proj"],
    "qwen2": ["k_proj", "v_proj", "down_proj"],
}
# Objective and retain term; "rt" is "lm" on chats.
CASES = [("lm", "none"), ("rt", "none"), ("ga", "none"), ("npo", "none"), ("dpo", "none"), ("simnpo", "none"), ("wga", "none"),
         ("satimp", "none"), ("ceu", "none"), ("undial", "none"), ("rmu", "none"), ("ga", "nll"), ("npo", "kl"), ("rmu", "hidden")]
# Of those, what families beside the first train in bfloat16.
FEW_CASES = [("ga", "none"), ("npo", "none")]
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


def text_sequence(text, cutoff):
    """Token ids and labels; what is not learned from is -100. The first token has none before it to predict it."""
    ids = ([int(w) for w in text.split()] + [EOS])[:cutoff]
    return ids, [-100] + [-100 if t == EOS else t for t in ids[1:]]


def chat_sequence(prompt, response, cutoff):
    """The template of number_tokenizer.h; a budget that is too small is split in proportion."""
    prompt = [0, 1] + [int(w) for w in prompt.split()] + [2]
    response = [int(w) for w in response.split()] + [END_OF_TURN]
    if len(prompt) + len(response) > cutoff:
        share = max(1, cutoff * len(response) // (len(prompt) + len(response)))
        prompt, response = prompt[:cutoff - share], response[:share]
    return prompt + response, [-100] * len(prompt) + response


def collate(sequences):
    longest = max(len(ids) for ids, _ in sequences)
    ids = torch.tensor([i + [EOS] * (longest - len(i)) for i, _ in sequences])
    labels = torch.tensor([l + [-100] * (longest - len(l)) for _, l in sequences])
    attention = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i, _ in sequences])
    return ids, attention, labels


class Forward:
    """One padded pass: logits, labels and masks aligned with the positions that predict."""

    def __init__(self, model, sequences):
        ids, attention, labels = collate(sequences)
        with torch.autocast("cpu", torch.bfloat16, enabled=model.in_bfloat16):
            out = model(input_ids=ids, attention_mask=attention, output_hidden_states=True)
        self.hidden_states = out.hidden_states
        self.own_labels = labels
        self.logits = out.logits[:, :-1].float()
        self.labels = labels[:, 1:]
        self.mask = self.labels != -100
        self.index = self.labels.clamp_min(0).unsqueeze(-1)
        self.positions = attention[:, 1:].bool()
        self.log_p = self.logits.log_softmax(-1)
        self.nll = -self.log_p.gather(-1, self.index).squeeze(-1) * self.mask

    def mean(self, values):
        return values[self.mask].sum() / self.mask.sum().clamp_min(1)


def hidden_distance(forward, target, layer):
    mask = (forward.own_labels != -100).float()
    distance = (forward.hidden_states[layer + 1] - target).pow(2).mean(-1)
    return ((distance * mask).sum(-1) / mask.sum(-1).clamp_min(1)).mean()


def forget_loss(case, model, reference, items, direction):
    objective, beta = case["objective"], case["beta"]
    if objective == "dpo":
        sums = []
        for side in range(2):
            sequences = [item[side] for item in items]
            with torch.no_grad():
                known = -Forward(reference, sequences).nll.sum(-1)
            sums.append((-Forward(model, sequences).nll.sum(-1), known))
        (chosen, known_chosen), (rejected, known_rejected) = sums
        trainer = SimpleNamespace(beta=beta, label_smoothing=0.0, reference_free=False, f_divergence_type="reverse_kl",
                                  accelerator=SimpleNamespace(device=torch.device("cpu")), args=SimpleNamespace(), use_weighting=False)
        return DPOTrainer.dpo_loss(trainer, chosen, rejected, known_chosen, known_rejected, "sigmoid")[0].mean()
    forward = Forward(model, items)
    if objective == "npo":
        with torch.no_grad():
            known = Forward(reference, items).nll.sum(-1)
        return -(2 / beta) * F.logsigmoid(beta * (forward.nll.sum(-1) - known)).mean()
    if objective == "simnpo":
        mean = forward.nll.sum(-1) / forward.mask.sum(-1).clamp_min(1)
        return -(2 / beta) * F.logsigmoid(beta * (mean - case["margin"])).mean()
    p = torch.exp(-forward.nll).detach()
    if objective == "wga":
        return -forward.mean(p**beta * forward.nll)
    if objective == "satimp":
        return -forward.mean(p**beta * (1 - p)**case["beta2"] * forward.nll)
    if objective == "ceu":
        other = forward.logits.detach().scatter(-1, forward.index, float("-inf")).softmax(-1)
        counted = forward.mask & (forward.mask.cumsum(-1) > 1)
        losses = F.cross_entropy(forward.logits.flatten(0, 1), other.flatten(0, 1), reduction="none").view_as(counted)
        return losses[counted].sum() / counted.sum().clamp_min(1)
    if objective == "undial":
        with torch.no_grad():
            known = Forward(reference, items)
            other = (known.logits - beta * F.one_hot(known.index.squeeze(-1), VOCAB)).softmax(-1)
        return forward.mean(F.cross_entropy(forward.logits.flatten(0, 1), other.flatten(0, 1),
                                            reduction="none").view_as(forward.mask))
    if objective == "rmu":
        return hidden_distance(forward, case["strength"] * direction, case["layer"])
    mean = forward.mean(forward.nll)
    return -mean if objective == "ga" else mean


def retain_loss(case, model, reference, items):
    forward = Forward(model, items)
    if case["retain"] == "nll":
        return forward.mean(forward.nll)
    with torch.no_grad():
        known = Forward(reference, items)
    if case["retain"] == "kl":
        kl = F.kl_div(forward.log_p, known.log_p, log_target=True, reduction="none").sum(-1)
        return kl[forward.positions].mean()
    return hidden_distance(forward, known.hidden_states[case["layer"] + 1], case["layer"])


def retain_stream(seed, count):
    seed, number = Random(seed, "retain").next(), 0
    while True:
        yield from epoch_order(seed, number, count)
        number += 1


def with_adapters(model, case):
    config = LoraConfig(r=case["rank"], lora_alpha=case["alpha"], target_modules=case["targets"], lora_dropout=0.0,
                        layers_to_transform=list(range(*case["layers"])) if case["layers"] else None, task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            linear = name.removeprefix("base_model.model.").removesuffix(".lora_A.default.weight")
            rng = Random(case["seed"], "lora_A." + linear)
            bound = 1.0 / math.sqrt(parameter.shape[1])
            values = [(2 * rng.uniform() - 1) * bound for _ in range(parameter.numel())]
            parameter.data.copy_(torch.tensor(values, dtype=torch.float64).float().view_as(parameter))
    return model


def freeze_other_layers(model, layers):
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        parameter.requires_grad_(parts[1] == "layers" and layers[0] <= int(parts[2]) < layers[1])


def sequences_of(case):
    cutoff = case["cutoff_tokens"]
    if case["pairs"]:
        return [tuple(chat_sequence(p["prompt"], p[side], cutoff) for side in ("chosen", "rejected")) for p in case["pairs"]]
    if case["chats"]:
        return [chat_sequence(c["prompt"], c["response"], cutoff) for c in case["chats"]]
    return [text_sequence(t, cutoff) for t in case["texts"]]


def train(base, case):
    """Accumulates as transformers' Trainer does: the last group of an epoch divides by its own count."""
    model = copy.deepcopy(base)
    reference = base
    if case["tuning"] == "lora":
        model = with_adapters(model, case)
    elif case["layers"]:
        freeze_other_layers(model, case["layers"])
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=case["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    items = sequences_of(case)
    retain_items = [text_sequence(t, case["cutoff_tokens"]) for t in case["retain_texts"]]
    stream = retain_stream(case["seed"], len(retain_items)) if retain_items else None
    rng = Random(case["seed"], "rmu direction")
    direction = torch.tensor([rng.uniform() for _ in range(base.config.hidden_size)], dtype=torch.float64)
    direction = (direction / direction.norm()).float()
    total = math.ceil(math.ceil(len(items) / case["batch_size"]) / case["accumulation"]) * case["epochs"]
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, case["warmup_steps"], total)
    losses, norms, rates = [], [], []
    for epoch in range(case["epochs"]):
        order = epoch_order(case["seed"], epoch, len(items))
        groups = [order[i:i + case["batch_size"]] for i in range(0, len(order), case["batch_size"])]
        for begin in range(0, len(groups), case["accumulation"]):
            group = groups[begin:begin + case["accumulation"]]
            total_loss = 0.0
            for batch in group:
                loss = case["forget_weight"] * forget_loss(case, model, reference, [items[i] for i in batch], direction)
                if stream:
                    chosen = [retain_items[next(stream)] for _ in batch]
                    loss = loss + case["retain_weight"] * retain_loss(case, model, reference, chosen)
                (loss / len(group)).backward()
                total_loss += loss.item() / len(group)
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, case["max_gradient_norm"]).item())
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(total_loss)
    assert len(losses) == total == STEPS
    weights = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            name = name.removeprefix("base_model.model.").replace(".default.weight", "")
            weights[name] = parameter.detach().clone().contiguous()
    return {"losses": losses, "norms": norms, "learning_rates": rates}, weights


def words(rng, lengths):
    return " ".join(str(rng.randint(5, VOCAB - 1)) for _ in range(rng.choice(lengths)))


def make_texts(rng, count, with_empty=True):
    texts = [words(rng, [3, 7, 14, 24]) for _ in range(count)]
    texts[0] = f"{texts[0]} {EOS} {texts[0]}"  # eos within a text is masked, too
    if with_empty:
        texts[2] = "17"  # nothing to learn from
    return texts


def make_models(out):
    common = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.15, "bos_token_id": 0,
              "eos_token_id": EOS, "pad_token_id": None, "attn_implementation": "eager"}
    configs = {
        "llama": transformers.LlamaConfig(**common, tie_word_embeddings=True),
        "mistral": transformers.MistralConfig(**common, tie_word_embeddings=False, sliding_window=12),
        "phi3": transformers.Phi3Config(**common, tie_word_embeddings=False, original_max_position_embeddings=128),
        "qwen2": transformers.Qwen2Config(**common, tie_word_embeddings=True),
    }
    models = {}
    for family in FAMILIES:
        torch.manual_seed(3)
        model = transformers.AutoModelForCausalLM.from_config(configs[family]).float().eval()
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.data.normal_(std=0.15)
        model.save_pretrained(os.path.join(out, family))
        model.in_bfloat16 = False
        models[family] = model
    return models


def make_case(rng, family, objective, retain, tuning):
    pairs = [{"prompt": words(rng, [4, 30]), "chosen": words(rng, [3, 12, 40]), "rejected": words(rng, [2, 9])} for _ in range(5)]
    chats = [{"prompt": p["prompt"], "response": p["chosen"]} for p in pairs]
    beta = {"npo": 0.02, "dpo": 0.1, "simnpo": 0.5, "wga": 1.0, "satimp": 0.5, "undial": 10.0}.get(objective, 0.0)
    layers = {"full": None, "partial": [0, 2], "lora": [0, 2] if family == "mistral" else None}[tuning]
    return {
        "family": family, "objective": objective, "retain": retain, "tuning": tuning, "layers": layers,
        "texts": [] if objective in ("dpo", "rt") else make_texts(rng, 5, with_empty=retain != "kl"),
        "chats": chats if objective == "rt" else [], "pairs": pairs if objective == "dpo" else [],
        "retain_texts": make_texts(rng, 4) if retain != "none" else [],
        "forget_weight": 0.5 if retain != "none" else 1.0, "retain_weight": 1.5, "beta": beta, "beta2": 1.0, "margin": 0.3,
        "strength": 2.0, "layer": 1, "rank": 4, "alpha": 8.0, "targets": TARGETS[family], "seed": 42, "eos": EOS,
        "learning_rate": 2e-3 if tuning == "lora" else 2e-4, "warmup_steps": 4, "batch_size": 2, "accumulation": 2, "epochs": 10,
        # Clipped this hard, what is only noise stays below Adam's epsilon: a KL of equal models, a distance of equal states.
        # For the same reason no forget text beside a KL is empty.
        "max_gradient_norm": 0.01, "cutoff_tokens": 28,
    }


def in_bfloat16(model):
    """The same model with weights rounded to what bfloat16 holds, for passes under autocast."""
    model = copy.deepcopy(model).bfloat16().float()
    model.set_attn_implementation("sdpa")  # as transformers chooses by itself
    model.in_bfloat16 = True
    return model


def write_trainings(out, prefix, family, model, cases):
    names = []
    rng = random.Random(11)
    for objective, retain in cases:
        for tuning in ("full", "lora", "partial"):
            case = make_case(rng, family, objective, retain, tuning)
            result, weights = train(model, case)
            name = f"{prefix}_{objective}_{retain}_{tuning}"
            print(f"{name}: losses {result['losses'][0]:.5f} {result['losses'][-1]:.5f}, norms {min(result['norms']):.4f} to "
                  f"{max(result['norms']):.4f}", flush=True)
            save_file(weights, os.path.join(out, name + ".safetensors"))
            with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as file:
                json.dump({**case, **result}, file)
            names.append(name)
    with open(os.path.join(out, prefix + ".json"), "w", encoding="utf-8") as file:
        json.dump(names, file)


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    models = make_models(out)
    for family in FAMILIES:
        write_trainings(out, family, family, models[family], CASES)
        prefix = family + "_bfloat16"
        model = in_bfloat16(models[family])
        copy.deepcopy(model).bfloat16().save_pretrained(os.path.join(out, prefix))
        write_trainings(out, prefix, family, model, CASES if family == FAMILIES[0] else FEW_CASES)


if __name__ == "__main__":
    main()
