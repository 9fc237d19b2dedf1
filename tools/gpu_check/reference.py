"""Stage B: the steps of rwku-gpu-check by transformers and peft on the same card, a JSON line each, for a comparison side by side.

Full fine-tuning holds float32 weights and AdamW's float32 state under autocast(bfloat16), as the benchmark's reference does; LoRA,
decoding and scoring hold the base in bfloat16. A step that does not fit the card says so. Without transformers, peft or a GPU (and
without --tiny, which takes a tiny shape and any device) a stage says that it was skipped.
"""

import argparse
import json
import time

import torch

TEXT_TOKENS = 330
STEPS = 5


def emit(stage, **fields):
    print(json.dumps({"stage": stage, **fields}), flush=True)


class Reference:
    def __init__(self, tiny, device):
        self.tiny = tiny
        self.device = device
        self.text_tokens = 12 if tiny else TEXT_TOKENS
        self.batch = 2 if tiny else 8

    def config(self):
        import transformers

        shape = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=512)
        if not self.tiny:
            shape = dict(
                hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, vocab_size=128256
            )
        return transformers.LlamaConfig(
            **shape, max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=500000.0, bos_token_id=0, eos_token_id=4, pad_token_id=4
        )

    def model(self, dtype):
        import transformers

        torch.manual_seed(1)
        previous = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(self.device):
                return transformers.LlamaForCausalLM(self.config()).eval()
        finally:
            torch.set_default_dtype(previous)

    def synchronise(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, function):
        self.synchronise()
        begin = time.perf_counter()
        function()
        self.synchronise()
        return time.perf_counter() - begin

    def tokens(self, rows, columns):
        generator = torch.Generator().manual_seed(2)
        return torch.randint(5, self.config().vocab_size, (rows, columns), generator=generator).to(self.device)

    def nll(self, model, ids):
        with torch.autocast(self.device, torch.bfloat16):
            logits = model(ids).logits
        return torch.nn.functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)

    def train(self, model, loss_of):
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=3e-8, weight_decay=0.0)
        times = []
        for step in range(STEPS):
            ids = self.tokens(self.batch, self.text_tokens)

            def one():
                loss_of(ids).backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                optimizer.zero_grad()

            times.append(self.seconds(one))
        mean = sum(times[1:]) / (STEPS - 1)
        return {"first_step_seconds": times[0], "step_seconds": mean, "tokens_per_second": self.batch * self.text_tokens / mean}

    def ga_full(self):
        model = self.model(torch.float32).train()
        return self.train(model, lambda ids: -self.nll(model, ids).mean())

    def npo_lora(self):
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            self.model(torch.bfloat16), LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], lora_dropout=0.0, task_type="CAUSAL_LM")
        )

        def loss_of(ids):
            with torch.no_grad(), model.disable_adapter():
                reference = self.nll(model, ids).sum(-1)
            return -(2 / 0.1) * torch.nn.functional.logsigmoid(0.1 * (self.nll(model, ids).sum(-1) - reference)).mean()

        return self.train(model, loss_of)

    @torch.no_grad()
    def references(self):
        model = self.model(torch.bfloat16)
        texts = [self.tokens(1, self.text_tokens) for _ in range(self.batch * STEPS)]
        self.nll(model, texts[0])
        seconds = self.seconds(lambda: [self.nll(model, ids).sum(-1) for ids in texts])
        return {"texts": len(texts), "tokens_per_second": len(texts) * self.text_tokens / seconds}

    @torch.no_grad()
    def decode(self):
        model = self.model(torch.bfloat16)
        prompt, new = (24, 8) if self.tiny else (256, 64)
        result = {}
        for batch in (1, 64, 128, 353):
            ids = self.tokens(batch, prompt)

            def generate(count):
                model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count, min_new_tokens=count)

            generate(2)
            prefill = self.seconds(lambda: generate(1))
            step = (self.seconds(lambda: generate(1 + new)) - prefill) / new
            result[f"step_milliseconds_{batch}"] = step * 1e3
            result[f"decode_tokens_per_second_{batch}"] = batch / step
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    reference = Reference(arguments.tiny, "cuda" if cuda else "cpu")
    missing = ""
    try:
        import peft  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        missing = str(error)
    for stage, function in (
        ("reference-references", reference.references),
        ("reference-decode", reference.decode),
        ("reference-train-npo-lora", reference.npo_lora),
        ("reference-train-ga-full", reference.ga_full),
    ):
        if missing:
            emit(stage, ok=True, skipped=missing)
            continue
        if not cuda and not arguments.tiny:
            emit(stage, ok=True, skipped="no GPU is visible")
            continue
        begin = time.perf_counter()
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        try:
            fields = {"ok": True, **function()}
        except torch.cuda.OutOfMemoryError as error:
            fields = {"ok": False, "error": "out of memory: " + str(error).split("\n")[0]}
        except Exception as error:  # the next stage may still be had
            fields = {"ok": False, "error": f"{type(error).__name__}: {error}".split("\n")[0]}
        if cuda:
            fields["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
            torch.cuda.empty_cache()
        emit(stage, seconds=time.perf_counter() - begin, **fields)


if __name__ == "__main__":
    main()
