"""Training beside a plain transformers loop: same weights, texts, batch and dtype, one thread, runs
interleaved, the median step of the best round of each, in processor seconds. Prints one line per case with the ratio of
token rates; tokens are the texts' own, padding does not count.

Usage: train_bench.py <rwku-train-bench binary> [--minimum RATIO]
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402

EOS = 4
BATCH = 8
STEPS = 10
ROUNDS = 3
LENGTHS = {"equal lengths": (100, 100), "mixed lengths": (40, 160)}


def write_model(folder):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=2048, tie_word_embeddings=True, max_position_embeddings=512, bos_token_id=0, eos_token_id=EOS)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def run_ours(binary, folder, texts_file, tuning):
    command = [binary, folder, texts_file, str(BATCH), str(STEPS), tuning]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return statistics.median(report["seconds"][2:])


def run_peer(folder, texts, tuning):
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    if tuning == "lora":
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, 2, STEPS)
    seconds = []
    for step in range(STEPS):
        start = time.process_time()
        batch = [texts[(step * BATCH + i) % len(texts)] + [EOS] for i in range(BATCH)]
        longest = max(map(len, batch))
        ids = torch.tensor([t + [EOS] * (longest - len(t)) for t in batch])
        mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in batch])
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(ids == EOS, -100)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss.item()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--minimum", type=float, default=1.0, help="exit 1 if a ratio is below this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder)
        for name, (shortest, longest) in LENGTHS.items():
            rng = random.Random(5)
            texts = [[rng.randint(5, 2047) for _ in range(rng.randint(shortest, longest))] for _ in range(2 * BATCH)]
            texts_file = os.path.join(folder, "texts.json")
            with open(texts_file, "w", encoding="utf-8") as file:
                json.dump(texts, file)
            for tuning in ("full", "lora"):
                ours, peer = [], []
                for _ in range(ROUNDS):
                    ours.append(run_ours(arguments.binary, folder, texts_file, tuning))
                    peer.append(run_peer(folder, texts, tuning))
                tokens = BATCH * sum(len(t) + 1 for t in texts) / len(texts)
                ratio = min(peer) / min(ours)
                failed = failed or ratio < arguments.minimum
                print(f"{tuning} {name}: ours {tokens / min(ours):.0f} tokens/s, transformers {tokens / min(peer):.0f}, "
                      f"ratio {ratio:.2f}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
