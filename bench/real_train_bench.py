"""Training a real small model, SmolLM2-135M-Instruct, to forget the benchmark's real target 1: GA LoRA and NPO full on the dataset's
own positives beside padded PyTorch loops, then what the table says of the models so trained. Float32, wall seconds of one run;
wants an otherwise idle machine.

    scripts/real-model
    .deps/venv/bin/python bench/real_train_bench.py [--bin build/release/bin] [--threads 2] [--items 64] [--every N] [--only NAME]

The loops pad a batch to its longest text, as people write them: AdamW and clipping; GA with peft's adapters; NPO with a second
model that is asked at every step, as its authors do. The table's rows are trained by `rwku local` on the same texts for --epochs
epochs at rates chosen for this model (the published ones are for 8B and leave it as it is), and show that it forgets: the loss on
texts about the person (FM) rises, more than on others' (RM), and the probability of the reference answers falls. ROUGE says
little here: the model answers few of these probes to begin with. --every N asks every N-th block of three probes for the table.
Exit code 1 if a ratio is below its minimum or a row does not forget.
"""

import argparse
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

import evaluation_protocol as protocol  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from torch.nn import functional as F  # noqa: E402

BATCH = 8
CUTOFF = 512
EOS = 4  # of rwku-train-bench's number tokenizer; <reponame> here, which no text holds
RATE, WARMUP, BETA = 1e-4, 2, 0.2
MINIMA = {"ga": 1.2, "npo": 1.5}
CASES = {"ga": ("lora", "GA LoRA"), "npo": ("full", "NPO full")}
# Of the table: at these this model forgets in a few epochs; adapters on every projection.
SETTINGS = {"ga": "lr=1e-3,modules=q_proj+k_proj+v_proj+o_proj+gate_proj+up_proj+down_proj", "npo": "lr=5e-5"}
SETS = "forget_level1,forget_level2,forget_level3,neighbor_level1,neighbor_level2,forget_mia,retain_mia"
ANSWERS = ("fb", "qa", "aa"), ("fb", "qa")  # columns of the forget and the neighbor probes


def batch_of(texts):
    longest = max(map(len, texts))
    ids = torch.tensor([text + [EOS] * (longest - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
    # As the reference: EOS is the padding, and no label.
    return ids, mask, ids.masked_fill(ids == EOS, -100)


def text_losses(model, ids, mask, labels):
    """Sum of each text."""
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    labels = labels[:, 1:]
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction="none").view_as(labels).sum(-1)


def run_peer(folder, texts, objective):
    """Seconds of one epoch and the losses of its steps."""
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reference = copy.deepcopy(model).eval().requires_grad_(False) if objective == "npo" else None
    if CASES[objective][0] == "lora":
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)
    losses = []
    start = time.perf_counter()
    for begin in range(0, len(texts), BATCH):
        ids, mask, labels = batch_of(texts[begin:begin + BATCH])
        if objective == "npo":
            with torch.no_grad():
                known = text_losses(reference, ids, mask, labels)
            loss = -(2 / BETA) * F.logsigmoid(BETA * (text_losses(model, ids, mask, labels) - known)).mean()
        else:
            loss = -model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return time.perf_counter() - start, losses


def time_training(arguments, texts, corpus, objective, report):
    """Whether ours is fast enough."""
    tuning, label = CASES[objective]
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        command = [f"{arguments.bin}/rwku-train-bench", arguments.model, corpus, str(BATCH), "1", tuning, objective,
                   f"threads={arguments.threads}"]
        ours.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        theirs.append(run_peer(arguments.model, texts, objective)[0])
    seconds = min(run["wall_seconds"] for run in ours)
    ratio = min(theirs) / seconds
    enough = ratio >= getattr(arguments, f"minimum_{objective}")
    report[objective] = {"seconds": seconds, "peer_seconds": min(theirs), "ratio": ratio, "peak_memory_bytes": ours[0]["peak_memory_bytes"]}
    print(f"{label}, {len(texts)} texts, an epoch: {seconds:.1f} s, padded loop {min(theirs):.1f} s, ratio {ratio:.2f}"
          f"{'' if enough else ' TOO LOW'}; peak memory {ours[0]['peak_memory_bytes'] / 1e9:.2f} GB", flush=True)
    return enough


def rwku(arguments, data, *command):
    line = [f"{arguments.bin}/rwku", "local", "--data-dir", str(data), "--threads", str(arguments.threads), *command, "--output", "json"]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"real_train_bench: {' '.join(line)}: {done.stderr}")
    return json.loads(done.stdout)


def show_table(arguments, dataset, folder, objectives, report):
    """Whether every trained row forgets."""
    settings = f"batch={BATCH},accumulation=1,warmup={WARMUP},epochs={arguments.epochs}"
    methods = ["original"] + [f"{objective}:{CASES[objective][0]},{SETTINGS[objective]},{settings}" for objective in objectives]
    start = time.perf_counter()
    run = rwku(arguments, folder / "data", "submit", "--model", arguments.model, "--dataset", str(dataset), "--targets", "1",
               "--sets", SETS, *[word for method in methods for word in ("--method", method)], "--wait")
    report["table_seconds"] = time.perf_counter() - start
    tables = {table["key"]: table for table in rwku(arguments, folder / "data", "report", run["name"])["tables"]}

    def value(table, row, column):
        return float(tables[table]["rows"][row]["cells"][column]["value"])

    def answers(row, kind, columns):
        return sum(value("memorization", row, f"answer_probability_{kind}_{column}") for column in columns) / len(columns)

    rows = []
    for number, entry in enumerate(tables["main"]["rows"]):
        rows.append({"label": entry["label"], "FM": value("main", number, "mia_forget"), "RM": value("main", number, "mia_retain"),
                     "forget answers": answers(number, "forget", ANSWERS[0]),
                     "neighbor answers": answers(number, "neighbor", ANSWERS[1]),
                     "forget ROUGE": value("main", number, "forget_all"), "neighbor ROUGE": value("main", number, "neighbor_all")})
    report["rows"] = rows
    print(f"{arguments.epochs} epochs, {', '.join(methods[1:])}; {report['table_seconds']:.0f} s in all")
    names = [name for name in rows[0] if name != "label"]
    print("".join([f"{'':12}", *[f"{name:>18}" for name in names]]))
    for row in rows:
        print("".join([f"{row['label']:12}", *[f"{row[name]:18.2f}" for name in names]]), flush=True)
    original, forgets = rows[0], True
    for row in rows[1:]:
        rise, other = row["FM"] / original["FM"], row["RM"] / original["RM"]
        fall = row["forget answers"] / original["forget answers"]
        if rise < 1.1 or rise <= other or fall > 0.9:
            forgets = False
            print(f"{row['label']}: does not show forgetting: FM is {rise:.2f} of the original's (at least 1.1 is expected, and more than "
                  f"RM's {other:.2f}), the answers' probability {fall:.2f} (at most 0.9)")
    return forgets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"), help="folder of the programs (%(default)s)")
    parser.add_argument("--model", default=str(ROOT / ".deps/models/smollm2-135m"))
    parser.add_argument("--dataset", default=str(ROOT.parent / "shared/data/rwku"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--items", type=int, default=64, help="the first texts of the corpus (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="of the table's trainings (%(default)s)")
    parser.add_argument("--every", type=int, default=1, help="ask every N-th block of three probes for the table")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=tuple(CASES), help="one method")
    parser.add_argument("--no-table", action="store_true", help="times only")
    parser.add_argument("--json", default=str(ROOT / "build/real_train_bench.json"), help="where the figures go (%(default)s)")
    for name, minimum in MINIMA.items():
        parser.add_argument(f"--minimum-{name}", type=float, default=minimum, help="exit 1 below this ratio (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.set_verbosity_error()
    objectives = [arguments.only] if arguments.only else list(CASES)
    report, good = {"items": arguments.items, "threads": arguments.threads}, True

    def save():
        path = pathlib.Path(arguments.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        dataset = folder / "datasets" / "rwku"
        target = next((pathlib.Path(arguments.dataset) / "Target").glob("1_*"))
        new_target = protocol.write_slice(arguments.dataset, target, arguments.every, dataset, block=3)
        records = json.loads((target / "positive.json").read_text(encoding="utf-8"))[:arguments.items]
        (new_target / "positive.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
        tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
        texts = [tokenizer(record["text"]).input_ids[:CUTOFF - 1] + [EOS] for record in records]
        corpus = folder / "corpus.json"
        corpus.write_text(json.dumps({"texts": [text[:-1] for text in texts]}), encoding="utf-8")
        for objective in objectives:
            good = time_training(arguments, texts, corpus, objective, report) and good
            save()
        if not arguments.no_table:
            good = show_table(arguments, dataset, folder, objectives, report) and good
            save()
    print(f"figures: {arguments.json}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
