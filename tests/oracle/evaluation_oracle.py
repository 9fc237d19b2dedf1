"""Every evaluation of one real target by transformers, one sequence at a time: on a small random model, or on a given one.

    python evaluation_oracle.py DATASET_ROOT TARGET_FOLDER OUT_FOLDER [--model FOLDER] [--every N]

Writes OUT_FOLDER/model (as the hub publishes them; a link to --model) and OUT_FOLDER/expected.json: for every set the prompts as
token ids and what the model makes of them. With --every, OUT_FOLDER/dataset has the target with each N-th probe of every set,
and these are asked. Kept until this script, its protocol, its data or its model change.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import evaluation_protocol as protocol  # noqa: E402
from model_oracle import CHAT_TEMPLATE, SPECIAL  # noqa: E402

VOCABULARY = 2048


def make_model(texts, folder):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])
    # Its own EOS beside <|eot_id|>, so that the two rules of stopping differ.
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>",
        clean_up_tokenization_spaces=False)
    fast.chat_template = CHAT_TEMPLATE.replace("TEMPLATE_END", "\n\n")
    fast.save_pretrained(folder)
    torch.manual_seed(5)
    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=VOCABULARY, tie_word_embeddings=False, max_position_embeddings=16384, bos_token_id=0, eos_token_id=1,
        # Wide, so that the most likely token is rarely a close call.
        initializer_range=0.2)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():  # turns end now and then
        model.lm_head.weight[[1, 4]] *= 2
    model.save_pretrained(folder)
    return fast, model


@torch.no_grad()
def greedy(model, ids, limit, ends):
    cache = transformers.DynamicCache(config=model.config)
    new = []
    step = torch.tensor([ids])
    while len(new) < limit:
        token = int(model(step, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1].argmax())
        new.append(token)
        if token in ends:
            break
        step = torch.tensor([[token]])
    return new


@torch.no_grad()
def text_scores(model, ids):
    ids = torch.tensor(ids)
    scores = torch.log_softmax(model(ids[None]).logits[0, :-1], -1)
    return scores.gather(-1, ids[1:, None])[:, 0].tolist()


def evaluate(name, records, tokenizer, model, texts):
    results = []
    letters = [tokenizer.encode(" " + letter, add_special_tokens=False)[-1] for letter in protocol.LETTERS]
    for record in records:
        if name.endswith("_mia"):
            ids = tokenizer(record["text"]).input_ids
            results.append({"ids": ids, "log_probabilities": text_scores(model, ids)})
            continue
        prompt = protocol.prompt_text(tokenizer, name, record, texts)
        ids = tokenizer(prompt).input_ids
        result = {"ids": ids}
        if name == "mmlu":
            with torch.no_grad():
                logits = model(torch.tensor([ids]), logits_to_keep=1).logits[0, -1]
            result["choices"] = torch.log_softmax(logits, -1)[letters].tolist()
        elif name == "truthful":
            choices = record["mc1_targets"]["choices"] + record["mc2_targets"]["choices"]
            known = {}
            for choice in choices:
                if choice not in known:
                    known[choice] = sum(protocol.continuation_log_probabilities(model, tokenizer, prompt, choice)[0])
            result["choices"] = [known[choice] for choice in choices]
        else:
            new = greedy(model, ids, protocol.new_tokens(name), protocol.end_ids(tokenizer, name))
            result["output"] = tokenizer.decode(new, skip_special_tokens=True).strip()
            if "level" in name:
                result["answer"], result["hits"] = protocol.continuation_log_probabilities(
                    model, tokenizer, prompt, record["answer"])
        results.append(result)
    return results


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "target", "out"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    root, target, out = arguments.root, arguments.target, arguments.out
    if not target.exists():
        print(f"skipped: no reference data at {target} (RWKU_SHARED)")
        return 77
    if arguments.model and not (arguments.model / "config.json").exists():
        print(f"skipped: no model at {arguments.model} (scripts/real-model)")
        return 77
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256(f"{arguments.model} {arguments.every}".encode())
    for path in [here / "evaluation_oracle.py", here / "evaluation_protocol.py", *sorted(target.iterdir())]:
        digest.update(path.read_bytes())
    if arguments.model:
        for path in sorted(arguments.model.iterdir()):
            digest.update(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    stamp = out / "stamp"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return 0
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.set_num_threads(1)
    if arguments.every > 1:
        target = protocol.write_slice(root, target, arguments.every, out / "dataset")
    data = {name: protocol.load(target, name) for name in protocol.SETS}
    if arguments.model:
        (out / "model").symlink_to(arguments.model.resolve())
        tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
        model = transformers.LlamaForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    else:
        corpus = [json.dumps(record, ensure_ascii=False) for records in data.values() for record in records]
        tokenizer, model = make_model(corpus, out / "model")
    texts = protocol.primers(root)
    expected = {name: evaluate(name, records, tokenizer, model, texts) for name, records in data.items()}
    (out / "expected.json").write_text(json.dumps(expected))
    stamp.write_text(digest.hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
