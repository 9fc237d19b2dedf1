"""The whole evaluation of one target beside plain transformers: same model, prompts, dtype and one thread, interleaved, in
processor seconds. Twice: with the batch sizes of the reference's scripts, and with batches of 64 everywhere.

Usage: evaluate_bench.py <rwku-evaluate-bench binary> --model FOLDER --dataset FOLDER --target NUMBER
                         [--minimum-reference 4.0] [--minimum-64 1.5] [--rounds 2]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "oracle"))
import evaluation_protocol as protocol  # noqa: E402

REFERENCE = {"mmlu": 1, "bbh": 8, "truthful": 4, "triviaqa": 16, "fluency": 8, "forget_mia": 1, "retain_mia": 1}
OUR_NAMES = {"truthful": "truthfulqa"}


def chunks(items, size):
    return [items[i:i + size] for i in range(0, len(items), size)]


@torch.no_grad()
def generate(model, tokenizer, prompts, name, batch):
    tokenizer.padding_side = "left"
    outputs = []
    for part in chunks(prompts, batch):
        inputs = tokenizer(part, padding=True, return_tensors="pt")
        new = model.generate(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, do_sample=False,
                             max_new_tokens=protocol.new_tokens(name), pad_token_id=tokenizer.eos_token_id,
                             eos_token_id=protocol.end_ids(tokenizer, name))
        texts = tokenizer.batch_decode(new[:, inputs.input_ids.shape[1]:], skip_special_tokens=True)
        outputs += [text.strip() for text in texts]
    return outputs


@torch.no_grad()
def next_letters(model, tokenizer, prompts, batch):
    tokenizer.padding_side = "left"
    letters = [tokenizer.encode(" " + letter, add_special_tokens=False)[-1] for letter in protocol.LETTERS]
    for part in chunks(prompts, batch):
        inputs = tokenizer(part, padding=True, return_tensors="pt")
        logits = model(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, logits_to_keep=1).logits[:, -1]
        torch.log_softmax(logits, -1)[:, letters].argmax(-1).tolist()


@torch.no_grad()
def score_choices(model, tokenizer, pairs, batch):
    tokenizer.padding_side = "right"
    for part in chunks(pairs, batch):
        inputs = tokenizer([protocol.joined(prompt, choice) for prompt, choice in part], padding=True, return_tensors="pt")
        logits = model(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask).logits
        for row, (prompt, _) in enumerate(part):
            start, end = len(tokenizer(prompt).input_ids), int(inputs.attention_mask[row].sum())
            scores = torch.log_softmax(logits[row, start - 1:end - 1], -1)
            scores.gather(-1, inputs.input_ids[row, start:end, None]).sum().item()


@torch.no_grad()
def score_texts(model, tokenizer, texts, batch):
    tokenizer.padding_side = "right"
    for part in chunks(texts, batch):
        inputs = tokenizer(part, padding=True, return_tensors="pt")
        logits = model(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask).logits
        for row in range(len(part)):
            end = int(inputs.attention_mask[row].sum())
            scores = torch.log_softmax(logits[row, :end - 1], -1)
            probabilities = scores.exp()
            mean = (probabilities * scores).sum(-1)
            ((probabilities * scores.square()).sum(-1) - mean.square()).tolist()
            scores.gather(-1, inputs.input_ids[row, 1:end, None]).tolist()


def run_peer(model, tokenizer, data, texts, batches, progress=None):
    """Processor seconds, wall seconds, and the texts of each set that generates. `progress` is told each set and its wall seconds."""
    outputs = {}
    start, wall_start = time.process_time(), time.perf_counter()
    ended = wall_start
    for name, records in data.items():
        run_set(model, tokenizer, name, records, texts, batches(name), outputs)
        if progress:
            progress(name, time.perf_counter() - ended)
        ended = time.perf_counter()
    return time.process_time() - start, time.perf_counter() - wall_start, outputs


def run_set(model, tokenizer, name, records, texts, batch, outputs):
    if name.endswith("_mia"):
        score_texts(model, tokenizer, [record["text"] for record in records], batch)
        return
    prompts = [protocol.prompt_text(tokenizer, name, record, texts) for record in records]
    if name == "mmlu":
        next_letters(model, tokenizer, prompts, batch)
    elif name == "truthful":
        # One pass over both lists' different choices, as the reference makes.
        pairs = [(prompt, choice) for prompt, record in zip(prompts, records)
                 for choice in record["mc2_targets"]["choices"]]
        score_choices(model, tokenizer, pairs, batch)
    else:
        outputs[name] = generate(model, tokenizer, prompts, name, batch)


def run_ours(arguments):
    command = [arguments.binary, arguments.model, arguments.dataset, arguments.target]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def primers(root):
    folder = pathlib.Path(root) / "primers"
    if not folder.exists():
        return protocol.primers(root)
    return ((folder / "truthfulqa.txt").read_text(encoding="utf-8").rstrip("\n"),
            (folder / "triviaqa.txt").read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="build/.../bin/rwku-evaluate-bench")
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True, help="in the processed layout")
    parser.add_argument("--target", required=True, help="number of the target")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--minimum-reference", type=float, default=4.0, help="exit 1 below this ratio")
    parser.add_argument("--minimum-64", type=float, default=1.5, help="exit 1 below this ratio")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    folder = next((pathlib.Path(arguments.dataset) / "Target").glob(f"{arguments.target}_*"))
    data = {name: protocol.load(folder, name) for name in protocol.SETS}
    texts = primers(arguments.dataset)
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    tokenizer.pad_token = tokenizer.eos_token
    model = transformers.LlamaForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    passed = True
    for label, batches, minimum in (
            ("the reference's batches", lambda name: REFERENCE.get(name, 16), arguments.minimum_reference),
            ("batches of 64", lambda name: 64, arguments.minimum_64)):
        ours, peer = [], []
        for _ in range(arguments.rounds):
            report = run_ours(arguments)
            ours.append(report["seconds"])
            seconds, _, outputs = run_peer(model, tokenizer, data, texts, batches)
            peer.append(seconds)
        same = [a == b for name, theirs in outputs.items()
                for a, b in zip(report["outputs"][OUR_NAMES.get(name, name)], theirs)]
        ratio = min(peer) / min(ours)
        passed = passed and ratio >= minimum
        print(f"{label}: ours {min(ours):.2f} s, transformers {min(peer):.2f} s, ratio {ratio:.2f}; "
              f"{sum(same)} of {len(same)} texts equal; prompt tokens computed {report['computed_prompt_tokens']} of "
              f"{report['prompt_tokens']}", flush=True)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
