"""Greedy decoding beside transformers' generate: same weights, prompts, batch and dtype, one thread,
runs interleaved, best of each, in processor seconds of the one thread (other programs may share the
machine). Prints one line per shape and batch with the ratio of token rates, and one per shape for prompts
that share few-shot examples: one new token each, with what they share computed once and computed whole.

Usage: decode_bench.py <rwku-decode-bench binary> [--model FOLDER] [--minimum RATIO]
Exit 1 if continuations differ, or a ratio is below RATIO.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

PROMPT_TOKENS = 48
NEW_TOKENS = 30
ROUNDS = 3
BATCHES = (1, 16, 64)
SHAPES = {
    "4x128": {"hidden_size": 128, "intermediate_size": 384, "num_attention_heads": 4, "vocab_size": 2048},
    "4x256": {"hidden_size": 256, "intermediate_size": 688, "num_attention_heads": 8, "vocab_size": 4096},
}


def write_model(fields, folder):
    config = transformers.LlamaConfig(
        num_hidden_layers=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        max_position_embeddings=512,
        initializer_range=0.1,
        eos_token_id=None,
        bos_token_id=0,
        **fields,
    )
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def run_binary(binary, folder, prompts, new_tokens, *more):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(prompts, file)
        file.flush()
        command = [binary, folder, file.name, str(new_tokens), str(len(prompts)), "2", *more]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def run_ours(binary, folder, prompts):
    report = run_binary(binary, folder, prompts, NEW_TOKENS)
    return min(report["seconds"]), report["tokens"]


def few_shot_prompts(vocabulary):
    """As MMLU's five shots of a subject: three questions after each of 20 blocks of 400 tokens."""
    generator = torch.Generator().manual_seed(2)

    def draw(count):
        return torch.randint(8, vocabulary, (count,), generator=generator).tolist()

    blocks = [draw(400) for _ in range(20)]
    return [block + draw(80) for block in blocks for _ in range(3)]


def measure_sharing(binary, name, folder, vocabulary):
    """Prints a line; whether sharing changes no token."""
    prompts = few_shot_prompts(vocabulary)
    shared, whole = [], []
    for _ in range(ROUNDS):
        shared.append(run_binary(binary, folder, prompts, 1))
        whole.append(run_binary(binary, folder, prompts, 1, "whole"))
    seconds = [min(min(report["seconds"]) for report in reports) for reports in (shared, whole)]
    asked, computed = shared[0]["prompt_tokens"], shared[0]["computed_prompt_tokens"]
    equal = shared[0]["tokens"] == whole[0]["tokens"]
    print(
        f"{name} few-shot prompts: {computed} of {asked} tokens computed ({computed / asked:.0%}), "
        f"{asked / seconds[0]:8.0f} prompt tokens/s, whole {asked / seconds[1]:8.0f}, "
        f"ratio {seconds[1] / seconds[0]:5.2f}, {'equal' if equal else 'DIFFERENT'} tokens",
        flush=True,
    )
    return equal


@torch.no_grad()
def run_peer(model, prompts):
    ids = torch.tensor(prompts)
    seconds = []
    for _ in range(2):
        start = time.process_time()
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            pad_token_id=0,
        )
        seconds.append(time.process_time() - start)
    return min(seconds), output[:, ids.shape[1] :].tolist()


def measure(binary, name, folder, minimum):
    """Prints a line a batch; whether every continuation was equal and every ratio at least `minimum`."""
    passed = True
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(1)
    for batch in BATCHES:
        shape = (batch, PROMPT_TOKENS)
        prompts = torch.randint(8, model.config.vocab_size, shape, generator=generator).tolist()
        ours, peer = [], []
        for _ in range(ROUNDS):
            seconds, tokens = run_ours(binary, folder, prompts)
            ours.append(seconds)
            seconds, peer_tokens = run_peer(model, prompts)
            peer.append(seconds)
        count = batch * NEW_TOKENS
        equal = sum(a == b for a, b in zip(tokens, peer_tokens))
        ratio = min(peer) / min(ours)
        passed = passed and equal == batch and ratio >= minimum
        print(
            f"{name} batch {batch:3d}: {count / min(ours):8.0f} tokens/s, "
            f"transformers {count / min(peer):8.0f}, ratio {ratio:5.2f}, "
            f"{equal} of {batch} continuations equal",
            flush=True,
        )
    return measure_sharing(binary, name, folder, model.config.vocab_size) and passed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="build/.../bin/rwku-decode-bench")
    parser.add_argument("--model", help="a model folder instead of the built-in shapes")
    parser.add_argument("--minimum", type=float, default=2.0, help="exit 1 if a ratio is below this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    if arguments.model:
        name = pathlib.Path(arguments.model).name
        return 0 if measure(arguments.binary, name, arguments.model, arguments.minimum) else 1
    passed = True
    with tempfile.TemporaryDirectory() as root:
        for name, fields in SHAPES.items():
            write_model(fields, f"{root}/{name}")
            passed = measure(arguments.binary, name, f"{root}/{name}", arguments.minimum) and passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
