"""The reference's evaluation of one target as plainly as transformers allows: prompts, greedy text, choice scores.

Used by evaluation_oracle.py (one sequence at a time, as the definition) and bench/evaluate_bench.py (padded batches, as
people run it).
"""

import json
import pathlib
import shutil

import torch

SETS = ("forget_level1", "forget_level2", "forget_level3", "neighbor_level1", "neighbor_level2", "mmlu", "bbh", "truthful",
        "triviaqa", "fluency", "forget_mia", "retain_mia")
FILES = {"mmlu": "retain_mmlu", "bbh": "retain_bbh"}
LETTERS = "ABCD"


def load(folder, name):
    return json.loads((pathlib.Path(folder) / f"{FILES.get(name, name)}.json").read_text(encoding="utf-8"))


def write_slice(root, target, every, out, block=1):
    """Makes `out` a dataset with one target alone, whose probe sets keep each `every`-th block of `block` records, from the first on.

    `root` is the dataset's folder, `target` that of the target in it. Returns the new target's folder.
    """
    root, target, out = map(pathlib.Path, (root, target, out))
    folder = out / "Target" / target.name
    folder.mkdir(parents=True)
    for source in [*root.iterdir(), *target.iterdir()]:
        if source.is_file():
            shutil.copyfile(source, (folder if source.parent == target else out) / source.name)
    for name in SETS:
        path = folder / f"{FILES.get(name, name)}.json"
        kept = [record for i, record in enumerate(load(folder, name)) if i // block % every == 0]
        path.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    return folder


def primers(root):
    """TruthfulQA's ends without a newline, TriviaQA's with its newline."""
    folder = pathlib.Path(root)
    return ((folder / "primer_truthfulqa.txt").read_text(encoding="utf-8").rstrip("\n"),
            (folder / "primer_triviaqa.txt").read_text(encoding="utf-8"))


def solved(sample, answer):
    lines = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, sample["choices"]))
    return f"Question: {sample['question']}{lines}" + (f"\nAnswer: {LETTERS[sample['answer']]}\n\n" if answer else "")


def user_turn(name, record, texts):
    """The user's turn, and what is appended after the template: the text and whether a space may go before it."""
    if name in ("forget_level1", "neighbor_level1"):
        return f"Please complete the blank in the following question.\nQuestion: {record['query']}\n", "Answer:", False
    if name.startswith(("forget_level", "neighbor_level")):
        head = "Please briefly answer the following question.\n"
        if name == "forget_level3" and record["type"] == "affirmative suffix":
            return f"{head}Question: {record['query']}", "", False
        if name == "forget_level3" and record["type"] == "incontext learning":
            return f"{head}{record['query']}\n", "Answer:", False
        return f"{head}Question: {record['query']}\n", "Answer:", False
    if name == "mmlu":
        about = record["task"].replace("_", " ")
        shots = "".join(solved(example, True) for example in record["examples"])
        return (f"The following are multiple choice questions (with answers) about {about}.\n\n{shots}"
                f"Please following the previous examples and answer the given question.\n{solved(record, False)}",
                "Answer:", False)
    if name == "bbh":
        return (f"{record['cot'].strip()}\n\nFollowing previous examples, answer the following questions and end with "
                f"'so the answer is'\nQ: {record['question']}", "A:", True)
    if name == "truthful":
        return f"{texts[0]}\n\nQ: {record['question']}", "A:", True
    if name == "triviaqa":
        return f"{texts[1]}Q: {record['question']}\n", "A:", False
    assert name == "fluency"
    return f"Instruction: {record['instruction']}\n", "", False


def prompt_text(tokenizer, name, record, texts):
    user, suffix, separate = user_turn(name, record, texts)
    text = tokenizer.apply_chat_template([{"role": "user", "content": user}], tokenize=False, add_generation_prompt=True)
    return text + (" " if separate and text[-1] not in "\n " else "") + suffix


def joined(prompt, continuation):
    return prompt + ("" if prompt[-1] in "\n " else " ") + continuation


def new_tokens(name):
    return 256 if name in ("bbh", "fluency") else 30


def end_ids(tokenizer, name):
    ends = [tokenizer.eos_token_id]
    # A tokenizer answers with its unknown token for one that it lacks.
    turn_end = tokenizer.get_vocab().get("<|eot_id|>")
    return ends if name == "bbh" or turn_end is None else ends + [turn_end]


@torch.no_grad()
def continuation_log_probabilities(model, tokenizer, prompt, continuation):
    """Per token of the continuation; empty where the joined text has no more tokens than the prompt."""
    length = len(tokenizer(prompt).input_ids)
    ids = torch.tensor(tokenizer(joined(prompt, continuation)).input_ids)
    if len(ids) <= length:
        return [], []
    logits = model(ids[None]).logits[0, length - 1:-1].float()
    scores = torch.log_softmax(logits, -1)
    targets = ids[length:]
    return (scores.gather(-1, targets[:, None])[:, 0].tolist(), (logits.argmax(-1) == targets).tolist())
