"""Training beside transformers' Trainer, peft and trl's DPOTrainer: same weights, texts, micro-batch, dtype and steps, one thread,
runs interleaved, the best round of each, in processor seconds of the whole training. Ours computes no padding and asks the original
model once a text, in the time that is counted; theirs pads each batch and asks it at every step, as trl and the benchmark's
reference do. Prints one line per case with the ratio of token rates; tokens are the texts' own, padding does not count.

Usage: train_bench.py <rwku-train-bench binary> [--minimum RATIO] [--case NAME]
Exit status 1 if a ratio is below its minimum: 1.2 for ga full, 1.5 for npo and dpo full, 1.0 for others, or RATIO for all.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from trl import DPOConfig, DPOTrainer  # noqa: E402

VOCABULARY = 2048
EOS = 4
ROUNDS = 3
# (objective, tuning) -> batch, epochs, items, least ratio. DPO's items are pairs.
CASES = {
    ("ga", "full"): (8, 3, 32, 1.2),
    ("ga", "lora"): (8, 3, 32, 1.0),
    ("npo", "full"): (8, 3, 32, 1.5),
    ("dpo", "full"): (4, 3, 16, 1.5),
}
LENGTHS = (40, 160)


def write_model(folder):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=VOCABULARY, tie_word_embeddings=True, max_position_embeddings=512, bos_token_id=0, eos_token_id=EOS)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    # A word is a number, its own id; a chat is its user turn.
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(i): i for i in range(VOCABULARY)}, unk_token="0"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, bos_token="0", eos_token=str(EOS), pad_token=str(EOS))
    fast.chat_template = "{{ messages[0]['content'] }}"
    fast.save_pretrained(folder)
    return fast


def numbers(rng, low, high):
    return " ".join(str(rng.randint(5, VOCABULARY - 1)) for _ in range(rng.randint(low, high)))


def make_items(objective, count):
    rng = random.Random(5)
    if objective == "dpo":
        return [[numbers(rng, 10, 30), numbers(rng, *LENGTHS), numbers(rng, *LENGTHS)] for _ in range(count)]
    return [numbers(rng, *LENGTHS) for _ in range(count)]


def token_count(item):
    """Tokens that pass through the trained model with an item: of a pair, the prompt twice."""
    if isinstance(item, list):
        prompt, chosen, rejected = (len(part.split()) for part in item)
        return 2 * prompt + chosen + rejected + 2
    return len(item.split()) + 1


def run_ours(binary, folder, plan):
    path = os.path.join(folder, "plan.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(plan, file)
    report = json.loads(subprocess.run([binary, folder, path], check=True, capture_output=True, text=True).stdout)
    return report["seconds"], report["losses"]


def settings_of(plan, out):
    return dict(
        output_dir=out, use_cpu=True, bf16=False, fp16=False, per_device_train_batch_size=plan["batch"],
        num_train_epochs=plan["epochs"], learning_rate=plan["learning_rate"], lr_scheduler_type="cosine",
        warmup_steps=plan["warmup"], weight_decay=0.0, max_grad_norm=1.0, logging_steps=1, save_strategy="no", report_to=[],
        disable_tqdm=True, dataloader_num_workers=0, dataloader_pin_memory=False, gradient_checkpointing=False, seed=42)


def padded(batch):
    longest = max(len(entry["input_ids"]) for entry in batch)
    ids = torch.tensor([entry["input_ids"] + [EOS] * (longest - len(entry["input_ids"])) for entry in batch])
    mask = torch.tensor([[1] * len(entry["input_ids"]) + [0] * (longest - len(entry["input_ids"])) for entry in batch])
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(ids == EOS, -100)}


class UnlearningTrainer(transformers.Trainer):
    """GA, and NPO with the original model beside it."""

    def __init__(self, objective, beta, reference, **arguments):
        super().__init__(**arguments)
        self.objective = objective
        self.beta = beta
        self.reference = reference

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        if self.objective == "ga":
            return -model(**inputs).loss
        with torch.no_grad():
            reference = self.sums(self.reference, inputs)
        return -(2 / self.beta) * F.logsigmoid(self.beta * (self.sums(model, inputs) - reference)).mean()

    @staticmethod
    def sums(model, inputs):
        logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[:, :-1]
        losses = F.cross_entropy(logits.transpose(1, 2), inputs["labels"][:, 1:], ignore_index=-100, reduction="none")
        return losses.sum(-1)


def run_peer(folder, tokenizer, plan, out):
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    if plan["tuning"] == "lora":
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))
    if plan["objective"] == "dpo":
        rows = [dict(zip(("prompt", "chosen", "rejected"), item)) for item in plan["items"]]
        trainer = DPOTrainer(
            model=model, ref_model=transformers.LlamaForCausalLM.from_pretrained(folder), train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            args=DPOConfig(beta=plan["beta"], max_length=512, max_prompt_length=None, **settings_of(plan, out)))
    else:
        rows = [{"input_ids": [int(word) for word in item.split()] + [EOS]} for item in plan["items"]]
        reference = transformers.LlamaForCausalLM.from_pretrained(folder).eval() if plan["objective"] == "npo" else None
        trainer = UnlearningTrainer(
            objective=plan["objective"], beta=plan["beta"], reference=reference, model=model, train_dataset=rows,
            data_collator=padded,
            args=transformers.TrainingArguments(remove_unused_columns=False, **settings_of(plan, out)))
    start = time.process_time()
    trainer.train()
    seconds = time.process_time() - start
    return seconds, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def measure(binary, folder, tokenizer, objective, tuning, minimum):
    batch, epochs, count, least = CASES[objective, tuning]
    items = make_items(objective, count)
    plan = {"objective": objective, "tuning": tuning, "batch": batch, "epochs": epochs, "learning_rate": 1e-4, "warmup": 2,
            "beta": 0.1 if objective == "dpo" else 0.2, "items": items}
    ours, peer = [], []
    for _ in range(ROUNDS):
        seconds, losses = run_ours(binary, folder, plan)
        ours.append(seconds)
        seconds, peer_losses = run_peer(folder, tokenizer, plan, os.path.join(folder, "out"))
        peer.append(seconds)
    if len(losses) != len(peer_losses):
        sys.exit(f"{objective} {tuning}: {len(losses)} steps here, {len(peer_losses)} there")
    # The order of the texts differs, their number and the rates do not.
    if objective != "ga" and abs(losses[0] - peer_losses[0]) > 1e-3 * abs(peer_losses[0]):
        sys.exit(f"{objective} {tuning}: the first loss is {losses[0]} here, {peer_losses[0]} there")
    tokens = epochs * sum(map(token_count, items))
    ratio = min(peer) / min(ours)
    least = least if minimum is None else minimum
    print(f"{objective} {tuning}: ours {tokens / min(ours):.0f} tokens/s, peer {tokens / min(peer):.0f}, ratio {ratio:.2f} "
          f"(at least {least})", flush=True)
    return ratio >= least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--minimum", type=float, help="least ratio of every case")
    parser.add_argument("--case", help='only this, e.g. "npo full"')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = write_model(folder)
        for objective, tuning in CASES:
            if arguments.case in (None, f"{objective} {tuning}"):
                good = measure(arguments.binary, folder, tokenizer, objective, tuning, arguments.minimum) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
