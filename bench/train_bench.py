"""Training beside transformers: same weights, corpus, micro-batch and dtype, one thread, runs interleaved, the best of each
in processor seconds of the whole training. Prints one line per case with the ratio; exits with 1 where one is too small.

  plain     a padded loop with AdamW and clipping (LoRA: peft), the fine-tuning loss
  GA        transformers' Trainer with the loss negated
  NPO       transformers' Trainer with a reference model that is asked at every step
  DPO       trl's DPOTrainer, its reference model asked at every step

Usage: train_bench.py <rwku-train-bench binary> [--minimum-plain R] [--minimum-ga R] [--minimum-npo R] [--minimum-dpo R] [--only NAME]
"""

import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from trl import DPOConfig, DPOTrainer  # noqa: E402

EOS = 4
END_OF_TURN = 3
VOCAB = 2048
BATCH = 8
TEXTS = 32
EPOCHS = 3
ROUNDS = 3


def write_model(folder):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=VOCAB, tie_word_embeddings=True, max_position_embeddings=512, bos_token_id=0, eos_token_id=EOS)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def load(folder):
    return transformers.LlamaForCausalLM.from_pretrained(folder)


def run_ours(binary, folder, corpus_file, tuning, objective):
    command = [binary, folder, corpus_file, str(BATCH), str(EPOCHS), tuning, objective]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["seconds"]


def collate(rows):
    texts = [row["input_ids"] for row in rows]
    longest = max(map(len, texts))
    ids = torch.tensor([t + [EOS] * (longest - len(t)) for t in texts])
    mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(ids == EOS, -100)}


def run_plain(folder, corpus, tuning):
    model = load(folder)
    if tuning == "lora":
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    texts = corpus["texts"]
    start = time.process_time()
    for _ in range(EPOCHS):
        for begin in range(0, len(texts), BATCH):
            loss = model(**collate([{"input_ids": t + [EOS]} for t in texts[begin:begin + BATCH]])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            loss.item()
    return time.process_time() - start


def trainer_settings(folder):
    return {"output_dir": os.path.join(folder, "out"), "per_device_train_batch_size": BATCH, "num_train_epochs": EPOCHS,
            "learning_rate": 1e-4, "lr_scheduler_type": "cosine", "warmup_steps": 2, "weight_decay": 0.0, "max_grad_norm": 1.0,
            "report_to": [], "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "disable_tqdm": True, "bf16": False,
            "gradient_checkpointing": False, "dataloader_pin_memory": False}


def timed(trainer):
    trainer.remove_callback(transformers.PrinterCallback)
    start = time.process_time()
    trainer.train()
    return time.process_time() - start


class AscentTrainer(transformers.Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return -model(**inputs).loss


class NpoTrainer(transformers.Trainer):
    reference = None

    @staticmethod
    def nll(model, inputs):
        logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[:, :-1]
        labels = inputs["labels"][:, 1:]
        return F.cross_entropy(logits.reshape(-1, VOCAB), labels.reshape(-1), reduction="none").view_as(labels).sum(-1)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        with torch.no_grad():
            known = self.nll(self.reference, inputs)
        return -(2 / 0.2) * F.logsigmoid(0.2 * (self.nll(model, inputs) - known)).mean()


def run_texts(folder, corpus, trainer_class):
    model = load(folder)
    trainer = trainer_class(model=model, args=transformers.TrainingArguments(**trainer_settings(folder)), data_collator=collate,
                            train_dataset=Dataset.from_list([{"input_ids": t + [EOS]} for t in corpus["texts"]]))
    trainer.reference = copy.deepcopy(model).eval().requires_grad_(False)
    return timed(trainer)


def word_tokenizer():
    tokenizer = Tokenizer(models.WordLevel({str(i): i for i in range(VOCAB)}, unk_token="5"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=str(END_OF_TURN), pad_token=str(EOS))


def words(ids):
    return " ".join(map(str, ids))


def run_dpo(folder, corpus):
    rows = [{"prompt": words([0, 1, *p["prompt"], 2]), "chosen": words(p["chosen"]), "rejected": words(p["rejected"])}
            for p in corpus["pairs"]]
    trainer = DPOTrainer(model=load(folder), args=DPOConfig(beta=0.1, **trainer_settings(folder)),
                         train_dataset=Dataset.from_list(rows), processing_class=word_tokenizer())
    return timed(trainer)


def random_ids(rng, shortest, longest):
    return [rng.randint(5, VOCAB - 1) for _ in range(rng.randint(shortest, longest))]


def make_corpora():
    rng = random.Random(5)
    mixed = {"texts": [random_ids(rng, 40, 160) for _ in range(TEXTS)]}
    pairs = [{"prompt": random_ids(rng, 20, 60), "chosen": random_ids(rng, 20, 100), "rejected": random_ids(rng, 10, 100)}
             for _ in range(TEXTS)]
    return {"equal": {"texts": [random_ids(rng, 100, 100) for _ in range(TEXTS)]}, "mixed": mixed, "pairs": {"pairs": pairs}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    for name, minimum in (("plain", 0.95), ("ga", 1.2), ("npo", 1.5), ("dpo", 1.5)):
        parser.add_argument(f"--minimum-{name}", type=float, default=minimum, help="exit 1 if a ratio is below (%(default)s)")
    parser.add_argument("--only", default="", help="run the cases whose name holds this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    cases = [(f"plain {tuning}, {name} lengths", name, tuning, "lm", arguments.minimum_plain,
              lambda folder, corpus, tuning=tuning: run_plain(folder, corpus, tuning))
             for name in ("equal", "mixed") for tuning in ("full", "lora")]
    cases += [("GA full, Trainer", "mixed", "full", "ga", arguments.minimum_ga,
               lambda folder, corpus: run_texts(folder, corpus, AscentTrainer)),
              ("NPO full, Trainer", "mixed", "full", "npo", arguments.minimum_npo,
               lambda folder, corpus: run_texts(folder, corpus, NpoTrainer)),
              ("DPO full, trl", "pairs", "full", "dpo", arguments.minimum_dpo, run_dpo)]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder)
        corpora = make_corpora()
        for name, corpus in corpora.items():
            with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
                json.dump(corpus, file)
        for name, corpus, tuning, objective, minimum, peer in (case for case in cases if arguments.only in case[0]):
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(run_ours(arguments.binary, folder, os.path.join(folder, corpus + ".json"), tuning, objective))
                theirs.append(peer(folder, corpora[corpus]))
            ratio = min(theirs) / min(ours)
            failed = failed or ratio < minimum
            print(f"{name}: ours {min(ours):.2f} s, theirs {min(theirs):.2f} s, ratio {ratio:.2f} (at least {minimum})", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
