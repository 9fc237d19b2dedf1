"""A real small model, SmolLM2-135M-Instruct, on the benchmark's real target 1: this engine beside the machine's own limits, beside
llama.cpp and beside transformers, float32 everywhere, in wall seconds of one run. Wants an otherwise idle machine.

    scripts/real-model --gguf && scripts/llama-cpp
    .deps/venv/bin/python bench/real_model_bench.py [--bin build/release/bin] [--threads 2] [--every N] [--parts NAME ...]

  single     decoding of one sequence: the weights' bytes times tokens a second, as a part of what a copy reads and writes a second
  prefill    8 texts of 512 tokens: the operations a second of all products, as a part of those of a 2048 x 2048 sgemm
  llama      prefill and decoding of 64 sequences beside llama.cpp with the same weights (its cache is float16, as it comes)
  threads    a sixteenth of the evaluation with one thread and with --threads
  evaluate   the evaluation of all twelve sets beside transformers in the reference's flow: its batches, its passes
  batches    the same beside transformers with batches of 64

Each ratio is taken between neighbours in time, the best of --rounds for all parts but the last two, which run once. A text that
differs from that of a padded batch is compared with transformers' for that prompt alone, which decides. --every N asks every N-th
block of three probes, so that shared examples stay shared: for a first look, not for the figures. Prints each part as it is
done and writes all figures to --json. Exit code 1 if a ratio is below its minimum or a text differs.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))

import evaluate_bench as evaluation  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

protocol = evaluation.protocol
PARTS = ("single", "prefill", "llama", "threads", "evaluate", "batches")
MINIMA = {"single": 0.75, "prefill": 0.75, "llama-prefill": 1.0, "llama-decode": 1.0, "threads": 1.8, "evaluate": 4.0, "batches": 1.5}
MOST_BYTES = 2.5e9
SIDE = 2048
COPY_BYTES = 1 << 29
BATCH, BATCH_PROMPT, BATCH_NEW = 64, 128, 33
SINGLE_PROMPT, SINGLE_NEW = 64, 65
PREFILL_TEXTS, PREFILL_TOKENS = 8, 512
OF_THREADS = 16  # the part of the evaluation that is run with one thread


class Bench:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = pathlib.Path(folder)
        self.report = {"threads": arguments.threads, "every": arguments.every, "ratios": {}}
        self.failed = False
        with open(pathlib.Path(arguments.model) / "config.json", encoding="utf-8") as file:
            self.config = json.load(file)

    def save(self):
        path = pathlib.Path(self.arguments.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.report, indent=1), encoding="utf-8")

    def say(self, text):
        print(text, flush=True)

    def ratio(self, name, value, text):
        """Records and prints a ratio that has a minimum."""
        enough = value >= getattr(self.arguments, "minimum_" + name.replace("-", "_"))
        self.failed = self.failed or not enough
        self.report["ratios"][name] = value
        self.say(f"{text}, ratio {value:.2f}{'' if enough else ' TOO LOW'}")
        self.save()

    # --- The model's shape ---

    def matrix_parameters(self):
        """Of a layer's products, all layers."""
        hidden, heads = self.config["hidden_size"], self.config["num_attention_heads"]
        kv = self.config["num_key_value_heads"] * hidden // heads
        return self.config["num_hidden_layers"] * hidden * (2 * hidden + 2 * kv + 3 * self.config["intermediate_size"])

    def head_parameters(self):
        return self.config["vocab_size"] * self.config["hidden_size"]

    # --- The machine ---

    def copy_rate(self):
        source, target = torch.ones(COPY_BYTES // 4), torch.empty(COPY_BYTES // 4)
        best = min(self.timed(lambda: target.copy_(source)) for _ in range(4))
        return 2 * COPY_BYTES / best

    def sgemm_rate(self):
        left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
        best = min(self.timed(lambda: torch.mm(left, right)) for _ in range(6))
        return 2 * SIDE**3 / best

    @staticmethod
    def timed(work):
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    # --- Programs ---

    def prompts(self, name, count, length):
        path = self.folder / f"{name}.json"
        draw = random.Random(name)
        tokens = [[draw.randrange(20, self.config["vocab_size"]) for _ in range(length)] for _ in range(count)]
        path.write_text(json.dumps(tokens), encoding="utf-8")
        return path

    def run(self, *command):
        output = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
        return json.loads(output)

    def ours(self, prompts, new, batch):
        return self.run(f"{self.arguments.bin}/rwku-decode-bench", self.arguments.model, prompts, new, batch, 2,
                        f"threads={self.arguments.threads}", "whole")

    def evaluate(self, dataset, threads):
        return self.run(f"{self.arguments.bin}/rwku-evaluate-bench", self.arguments.model, dataset, "1", f"threads={threads}")

    def rounds(self, *measures):
        """A list a round with a value a measure, which take turns."""
        return [[measure() for measure in measures] for _ in range(self.arguments.rounds)]

    # --- Parts ---

    def single(self):
        prompts = self.prompts("single", 1, SINGLE_PROMPT)

        def decode():
            short = min(self.ours(prompts, 1, 1)["wall_seconds"])
            return (SINGLE_NEW - 1) / (min(self.ours(prompts, SINGLE_NEW, 1)["wall_seconds"]) - short)

        rounds = self.rounds(decode, self.copy_rate)
        tokens, copy = (max(column) for column in zip(*rounds))
        read = 4 * (self.matrix_parameters() + self.head_parameters()) * tokens
        self.report["single"] = {"tokens_per_second": tokens, "weights_bytes_per_second": read, "copy_bytes_per_second": copy}
        self.ratio("single", read / copy,
                   f"one sequence: {tokens:.1f} tokens/s, {read / 1e9:.1f} GB/s of weights; a copy moves {copy / 1e9:.1f} GB/s")

    def prefill(self):
        prompts = self.prompts("prefill", PREFILL_TEXTS, PREFILL_TOKENS)
        rounds = self.rounds(lambda: min(self.ours(prompts, 1, PREFILL_TEXTS)["wall_seconds"]), self.sgemm_rate)
        seconds, sgemm = min(row[0] for row in rounds), max(row[1] for row in rounds)
        tokens = PREFILL_TEXTS * PREFILL_TOKENS
        # A causal query meets (length + 1) / 2 keys; each costs a product with the key and one with the value.
        attention = (2 * 2 * self.config["num_hidden_layers"] * self.config["hidden_size"] * (PREFILL_TOKENS + 1) / 2) * tokens
        operations = 2 * self.matrix_parameters() * tokens + attention + 2 * self.head_parameters() * PREFILL_TEXTS
        rate = operations / seconds
        self.report["prefill"] = {"tokens_per_second": tokens / seconds, "operations_per_second": rate, "sgemm_operations_per_second": sgemm}
        self.ratio("prefill", rate / sgemm,
                   f"prefill: {tokens / seconds:.0f} tokens/s, {rate / 1e9:.0f} GFLOP/s; sgemm {sgemm / 1e9:.0f} GFLOP/s")

    def llama(self):
        folder = pathlib.Path(self.arguments.llama)
        if not (folder / "llama-cpp-bench").exists():
            self.say(f"llama: left out, no llama-cpp-bench in {folder} (scripts/llama-cpp)")
            self.failed = True
            return
        prompts = self.prompts("batch", BATCH, BATCH_PROMPT)

        def ours():
            first, all_tokens = self.ours(prompts, 1, BATCH), self.ours(prompts, BATCH_NEW, BATCH)
            prefill = min(first["wall_seconds"])
            return prefill, min(all_tokens["wall_seconds"]) - prefill, all_tokens["tokens"]

        def theirs():
            report = self.run(folder / "llama-cpp-bench", self.arguments.gguf, prompts, BATCH_NEW, 2, self.arguments.threads, folder / "lib")
            return min(report["prefill_seconds"]), min(report["decode_seconds"]), report["tokens"]

        rounds = self.rounds(ours, theirs)
        equal = sum(a == b for a, b in zip(rounds[0][0][2], rounds[0][1][2]))
        self.report["llama"] = {"equal": equal}
        for part, place, tokens in (("prefill", 0, BATCH * BATCH_PROMPT), ("decode", 1, BATCH * (BATCH_NEW - 1))):
            our_rate, their_rate = (tokens / min(row[side][place] for row in rounds) for side in (0, 1))
            self.report["llama"][part] = {"tokens_per_second": our_rate, "llama_tokens_per_second": their_rate}
            self.ratio(f"llama-{part}", our_rate / their_rate,
                       f"{part} of {BATCH} sequences: {our_rate:.0f} tokens/s, llama.cpp {their_rate:.0f}; {equal} of {BATCH} texts equal")

    def slice(self, every):
        root = pathlib.Path(self.arguments.dataset)
        target = next((root / "Target").glob("1_*"))
        if every == 1:
            return root, target
        out = self.folder / f"every{every}"
        return out, out / "Target" / target.name if out.exists() else protocol.write_slice(root, target, every, out, block=3)

    def threads(self):
        dataset, _ = self.slice(max(OF_THREADS, self.arguments.every))
        rounds = self.rounds(*(lambda count=count: self.evaluate(dataset, count)["wall_seconds"] for count in (1, self.arguments.threads)))
        one, several = (min(column) for column in zip(*rounds))
        self.report["threads_part"] = {"one": one, "several": several}
        self.ratio("threads", one / several, f"a part of the evaluation: 1 thread {one:.1f} s, {self.arguments.threads} threads {several:.1f} s")

    def our_evaluation(self, dataset):
        """Run once for both comparisons."""
        if "evaluation" not in self.report:
            report = self.evaluate(dataset, self.arguments.threads)
            self.outputs = report.pop("outputs")
            report = {key: value for key, value in report.items() if key not in ("choices", "token_scores")}
            self.report["evaluation"] = report
            enough = report["peak_memory_bytes"] <= self.arguments.most_bytes
            self.failed = self.failed or not enough
            self.say(f"evaluation: {report['wall_seconds']:.1f} s with {self.arguments.threads} threads, {report['computed_prompt_tokens']} of "
                     f"{report['prompt_tokens']} prompt tokens computed, {report['generated_tokens']} generated, "
                     f"peak memory {report['peak_memory_bytes'] / 1e9:.2f} GB{'' if enough else ' TOO MUCH'}")
            self.save()
        return self.report["evaluation"]["wall_seconds"]

    def load_peer(self):
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.arguments.model)
        tokenizer.pad_token = tokenizer.eos_token
        return tokenizer, transformers.LlamaForCausalLM.from_pretrained(self.arguments.model, dtype=torch.float32).eval()

    def beside_transformers(self, name, label, batches):
        dataset, folder = self.slice(self.arguments.every)
        seconds = self.our_evaluation(dataset)
        tokenizer, model = self.load_peer()
        data = {one: protocol.load(folder, one) for one in protocol.SETS}
        texts = evaluation.primers(dataset)
        parts = {}

        def progress(one, taken):
            parts[one] = taken
            self.say(f"  transformers, {label}: {one} {taken:.1f} s")

        _, peer, outputs = evaluation.run_peer(model, tokenizer, data, texts, batches, progress)
        same, alone, different = self.compare(model, tokenizer, data, texts, outputs)
        self.report[name] = {"seconds": seconds, "transformers_seconds": peer, "sets": parts, "same": same, "same_alone": alone, "different": different}
        self.failed = self.failed or different > 0
        self.ratio(name, peer / seconds,
                   f"evaluation, {label}: {seconds:.1f} s, transformers {peer:.1f} s; texts: {same} equal, {alone} equal to the prompt's "
                   f"alone, {different} different")

    def compare(self, model, tokenizer, data, texts, outputs):
        """Texts equal at once, equal to the prompt's alone, and different."""
        same = alone = different = 0
        for one, theirs in outputs.items():
            for i, (text, mine) in enumerate(zip(theirs, self.outputs[evaluation.OUR_NAMES.get(one, one)])):
                if text == mine:
                    same += 1
                    continue
                prompt = protocol.prompt_text(tokenizer, one, data[one][i], texts)
                if evaluation.generate(model, tokenizer, [prompt], one, 1)[0] == mine:
                    alone += 1
                else:
                    different += 1
                    self.say(f"  {one} {i} differs")
        return same, alone, different

    def evaluate_part(self):
        self.beside_transformers("evaluate", "the reference's batches", lambda name: evaluation.REFERENCE.get(name, 16))

    def batches(self):
        self.beside_transformers("batches", "batches of 64", lambda name: 64)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"), help="folder of the bench programs (%(default)s)")
    parser.add_argument("--model", default=str(ROOT / ".deps/models/smollm2-135m"))
    parser.add_argument("--gguf", default=str(ROOT / ".deps/models/smollm2-135m.f32.gguf"))
    parser.add_argument("--llama", default=str(ROOT / ".deps/llama.cpp"))
    parser.add_argument("--dataset", default=str(ROOT.parent / "shared/data/rwku"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="ask every N-th block of three probes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", default=str(ROOT / "build/real_model_bench.json"), help="where the figures go (%(default)s)")
    parser.add_argument("--most-bytes", type=float, default=MOST_BYTES, help="exit 1 above this peak memory (%(default)s)")
    for name, minimum in MINIMA.items():
        parser.add_argument(f"--minimum-{name}", type=float, default=minimum, help="exit 1 below this ratio (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, folder)
        work = {"evaluate": bench.evaluate_part, **{name: getattr(bench, name) for name in PARTS if name != "evaluate"}}
        for name in PARTS:
            if name in arguments.parts:
                start = time.perf_counter()
                work[name]()
                bench.report.setdefault("part_seconds", {})[name] = time.perf_counter() - start
        bench.save()
        bench.say(f"figures: {arguments.json}; " + ", ".join(f"{name} {taken:.0f} s" for name, taken in bench.report["part_seconds"].items()))
    sys.exit(1 if bench.failed else 0)


if __name__ == "__main__":
    main()
