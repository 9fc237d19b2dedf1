"""Tiny random models of every family with what transformers computes from them: logits, greedy continuations,
token log-probabilities and their moments, alone and of prompts that share beginnings, in float32, and the first of them
in bfloat16. Run with the folder to fill; C++ parity tests read it.

Each model folder holds what the hub publishes (config.json, safetensors, tokenizer.json,
tokenizer_config.json) plus expected.json and expected.safetensors, and the same of bfloat16.
"""

import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import safetensors.torch  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

SEED = 7
PROMPTS = 64
LONGEST_PROMPT = 90
NEW_TOKENS = 24
BFLOAT16_PROMPTS = 12
VERSION = 6  # raise when this script's output changes

LLAMA3_SCALING = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
# Of pairs of dimensions; a head of 64 / 4 or 72 / 3 dimensions takes as many as it has.
LONGROPE = {"type": "longrope", "short_factor": [1.0 + 0.1 * i for i in range(12)], "long_factor": [1.5 + i for i in range(12)]}
FAMILIES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "phi3": (transformers.Phi3Config, transformers.Phi3ForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
}
# Name -> fields beyond the defaults. Widths off the multiples of 16 and 32 exercise the kernels'
# edges.
MODELS = {
    "mha": {"num_attention_heads": 4, "num_key_value_heads": 4},
    "gqa_tied": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "mqa_odd": {
        "hidden_size": 72,
        "intermediate_size": 100,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "head_dim": 24,
        "vocab_size": 333,
    },
    "head_dim": {"num_key_value_heads": 2, "head_dim": 40},
    "llama3_8": {
        "rope_theta": 500000.0,
        "rope_scaling": {**LLAMA3_SCALING, "factor": 8.0},
        "tie_word_embeddings": True,
    },
    "llama3_32": {"rope_theta": 500000.0, "rope_scaling": {**LLAMA3_SCALING, "factor": 32.0}},
    "linear": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "sharded": {"shards": True},
    "bfloat16": {"bfloat16": True},
    # Often ends a turn by <|eot_id|>, which is not its EOS; what follows its template needs a space.
    "mistral": {"model_type": "mistral", "sliding_window": None, "num_key_value_heads": 2, "head_dim": 24},
    # A window shorter than most prompts, off the multiples of the kernels' blocks.
    "mistral_window": {"model_type": "mistral", "sliding_window": 21, "num_hidden_layers": 3},
    "mistral_narrow": {"model_type": "mistral", "sliding_window": 2, "tie_word_embeddings": True},
    "phi3": {"model_type": "phi3", "num_key_value_heads": 4},
    "phi3_window": {"model_type": "phi3", "sliding_window": 30, "tie_word_embeddings": True},
    # Every sequence takes the short factors here, the longer ones the long factors below.
    "phi3_short": {
        "model_type": "phi3",
        "original_max_position_embeddings": 256,
        "rope_scaling": LONGROPE,
        "sliding_window": 40,
    },
    "phi3_long": {
        "model_type": "phi3",
        "original_max_position_embeddings": 48,
        "rope_scaling": LONGROPE,
        "hidden_size": 72,
        "intermediate_size": 100,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "rope_theta": 500.0,
        "initializer_range": 0.12,  # sharper attention would leave transformers itself 1e-5 from exact
    },
    "qwen2": {"model_type": "qwen2", "rope_theta": 1000000.0},
    "qwen2_tied": {
        "model_type": "qwen2",
        "tie_word_embeddings": True,
        "hidden_size": 72,
        "intermediate_size": 100,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "vocab_size": 333,
    },
    "qwen2_window": {
        "model_type": "qwen2",
        "use_sliding_window": True,
        "sliding_window": 17,
        "max_window_layers": 1,
        "num_hidden_layers": 3,
    },
    "qwen2_layers": {
        "model_type": "qwen2",
        "use_sliding_window": True,
        "sliding_window": 33,
        "layer_types": ["sliding_attention", "full_attention"],
        "bfloat16": True,
    },
    "two_ends": {"eos_token": "<|end_of_text|>", "likely_ids": [4], "template_end": ""},
}

CHAT_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>TEMPLATE_END' }}{% endif %}"
)
SPECIAL = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]
SENTENCES = [
    "Who wrote the novel about the silent lighthouse keeper?",
    "Anna Berg was born in 1871 in a small town by the sea.",
    "Please briefly answer the following question.",
    "The painter’s first exhibition – in Zürich – drew 2,000 visitors.",
    "Question: which instrument did she play?\nAnswer: the cello.",
]


PRIMER = (
    "Question: Who wrote the novel?\nAnswer: Anna Berg.\n\nQuestion: Where was the painter born?\nAnswer: Zürich.\n\n"
)
QUESTIONS = [
    "Who was Anna Berg?",
    "Who was the painter?",
    "which instrument did she play?",
    "Where is the lighthouse?",
    "When was Anna Berg born?",
]
CONTINUATIONS = ["the cello", "the cello.", "the painter", "in 1871", "the cello", "Anna Berg, a keeper", "", "\n"]
CANDIDATES = [" A", " B", " C", " D", " the", "Anna"]


def write_tokenizer(folder, eos_token, template_end):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token=eos_token,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE.replace("TEMPLATE_END", template_end)
    fast.save_pretrained(folder)
    return fast


def build(name, fields, folder):
    fields = dict(fields)
    shards = fields.pop("shards", False)
    eos_token = fields.pop("eos_token", "<|eot_id|>")
    likely_ids = fields.pop("likely_ids", [])
    template_end = fields.pop("template_end", "\n\n")
    stored = torch.bfloat16 if fields.pop("bfloat16", False) else torch.float32
    defaults = {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 320,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "bos_token_id": 0,
        "eos_token_id": 4,
        "initializer_range": 0.15,
    }
    config_class, model_class = FAMILIES[fields.pop("model_type", "llama")]
    fields = {**defaults, **fields}
    if "rope_scaling" in fields and "long_factor" in fields["rope_scaling"]:
        pairs = fields["hidden_size"] // fields["num_attention_heads"] // 2
        scaling = fields["rope_scaling"]
        fields["rope_scaling"] = {k: v if k == "type" else v[:pairs] for k, v in scaling.items()}
    config = config_class(**fields, pad_token_id=None)
    torch.manual_seed(SEED)
    model = model_class(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            if parameter_name.endswith("bias"):
                parameter.normal_(0, 0.3)
        model.lm_head.weight[likely_ids] *= 2
    folder.mkdir(parents=True)
    size = "100KB" if shards else "5GB"
    model.to(stored).save_pretrained(folder, max_shard_size=size)
    assert (folder / "model.safetensors.index.json").exists() == shards, name
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = write_tokenizer(folder, eos_token, template_end)
    prompts = expect(model, tokenizer, config.vocab_size, folder)
    expect_bfloat16(model_class.from_pretrained(folder, dtype=torch.bfloat16).eval(), prompts, folder)


@torch.no_grad()
def expect(model, tokenizer, vocabulary, folder):
    generator = torch.Generator().manual_seed(SEED)
    lengths = torch.randint(1, LONGEST_PROMPT, (PROMPTS,), generator=generator).tolist()
    prompts = [torch.randint(5, vocabulary, (n,), generator=generator).tolist() for n in lengths]
    generated, scores, tensors = [], [], {}
    for i, prompt in enumerate(prompts):
        ids = torch.tensor([prompt])
        generated.append(None if changes_rope(model, len(prompt), NEW_TOKENS) else generate(model, prompt, NEW_TOKENS, 4))
        logits = model(ids).logits[0]
        if i < 8:
            tensors[f"logits.{i}"] = logits.contiguous()
        scores.append(token_scores(logits, ids[0]))
    question = "Please briefly answer the following question.\nQuestion: Who was Anna Berg?\n"
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    chat_ids = tokenizer(chat + "Answer:")["input_ids"]
    ids = torch.tensor([chat_ids])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        pad_token_id=4,
    )
    text_ids = torch.tensor(tokenizer(SENTENCES[1])["input_ids"])
    expected = {
        "prompts": prompts,
        "generated": generated,
        "scores": scores,
        "new_tokens": NEW_TOKENS,
        "chat": {
            "user": question,
            "prefix": "Answer:",
            "ids": chat_ids,
            "answer": tokenizer.decode(output[0, len(chat_ids) :], skip_special_tokens=True),
        },
        "text": {
            "text": SENTENCES[1],
            "scores": token_scores(model(text_ids[None]).logits[0], text_ids),
        },
        "shared": expect_shared(model, vocabulary, generator),
        "calls": expect_calls(model, tokenizer),
        "steering": expect_steering(model, tokenizer, prompts, tensors),
    }
    (folder / "expected.json").write_text(json.dumps(expected))
    safetensors.torch.save_file(tensors, folder / "expected.safetensors")
    return prompts


@torch.no_grad()
def expect_bfloat16(model, prompts, folder):
    """Continuations with the logits that each new token was chosen by: ties are common in bfloat16."""
    tensors, generated = {}, []
    for i, prompt in enumerate(prompts[:BFLOAT16_PROMPTS]):
        tensors[f"logits.{i}"] = model(torch.tensor([prompt])).logits[0].float().contiguous()
        if changes_rope(model, len(prompt), NEW_TOKENS):
            generated.append(None)
            continue
        output = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            eos_token_id=4,
            pad_token_id=4,
            output_logits=True,
            return_dict_in_generate=True,
        )
        generated.append(output.sequences[0, len(prompt) :].tolist())
        tensors[f"choices.{i}"] = torch.cat(output.logits).float().contiguous()
    (folder / "expected_bfloat16.json").write_text(json.dumps({"generated": generated}))
    safetensors.torch.save_file(tensors, folder / "expected_bfloat16.safetensors")


def changes_rope(model, tokens, new_tokens):
    """Whether a continuation starts with longrope's short factors and ends with the long ones."""
    scaling = getattr(model.config, "rope_scaling", None) or {}
    if "long_factor" not in scaling:
        return False
    return tokens <= model.config.original_max_position_embeddings < tokens + new_tokens - 1


def generate(model, ids, new_tokens, end_ids):
    prompt = torch.tensor([ids])
    output = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=new_tokens,
        eos_token_id=end_ids,
        pad_token_id=4,
    )
    return output[0, len(ids) :].tolist()


def expect_shared(model, vocabulary, generator):
    """Prompts that are few beginnings, nested, with short ends; one is another's beginning, two are equal."""

    def draw(least, most):
        count = torch.randint(least, most, (1,), generator=generator).item()
        return torch.randint(5, vocabulary, (count,), generator=generator).tolist()

    long = draw(90, 91)
    beginnings = [long + draw(30, 31), long, long + draw(5, 6), draw(40, 41), []]
    prompts = [beginnings[i % len(beginnings)] + draw(1, 12) for i in range(30)]
    prompts += [prompts[0], prompts[0] + draw(3, 4), long]
    limits = [(7 * i) % NEW_TOKENS + 1 for i in range(len(prompts))]
    kept = [i for i, prompt in enumerate(prompts) if not changes_rope(model, len(prompt), limits[i])]
    prompts, limits = [prompts[i] for i in kept], [limits[i] for i in kept]
    end_ids = [draw(1, 40) for _ in prompts]
    generated, scored, first, scores, next_scores = [], [], [], [], []
    for i, (prompt, limit, ends) in enumerate(zip(prompts, limits, end_ids)):
        generated.append(generate(model, prompt, limit, ends))
        # Every other one with what is most likely after it.
        scored.append(prompt + (generated[-1] if i % 2 else []))
        first.append(max(1, len(prompt) - 1 - i % 9))
        log_probabilities = torch.log_softmax(model(torch.tensor([scored[-1]])).logits[0].double(), -1)
        scores.append(continuation_scores(log_probabilities, scored[-1], first[-1]))
        next_scores.append(log_probabilities[-1, :20].tolist())
    return {
        "prompts": prompts,
        "limits": limits,
        "end_ids": end_ids,
        "generated": generated,
        "scored": scored,
        "first": first,
        "scores": scores,
        "next": next_scores,
    }


def continuation_scores(log_probabilities, ids, first):
    """Of ids[first:], each after those before it."""
    rows = log_probabilities[first - 1 : len(ids) - 1]
    chosen = torch.tensor(ids[first:], dtype=torch.long)
    return {
        "log_probabilities": rows.gather(-1, chosen[:, None])[:, 0].tolist(),
        "is_most_likely": (rows.argmax(-1) == chosen).tolist(),
    }


def expect_calls(model, tokenizer):
    """The language model's calls on chat prompts, as the benchmark's reference makes them."""
    cases = []
    rules_differ = 0
    for i, question in enumerate(QUESTIONS):
        user = PRIMER + f"Question: {question}" + ("\n" if i % 2 else "")
        prefix = "" if i == 3 else "Answer:"
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": user}], tokenize=False, add_generation_prompt=True
        )
        separate = i % 2 == 1 and prefix != ""
        prompt = text + (" " if separate and text[-1] not in "\n " else "") + prefix
        ids = tokenizer(prompt)["input_ids"]
        stop_at_end_of_turn = i % 3 != 0
        limit = NEW_TOKENS - 3 * i
        by_eos = generate(model, ids, limit, [tokenizer.eos_token_id])
        by_turn = generate(model, ids, limit, [tokenizer.eos_token_id, 4])
        rules_differ += by_turn != by_eos
        continuations = []
        for continuation in CONTINUATIONS:
            joiner = "" if prompt[-1] in "\n " else " "
            whole = tokenizer(prompt + joiner + continuation)["input_ids"]
            log_probabilities = torch.log_softmax(model(torch.tensor([whole])).logits[0].double(), -1)
            continuations.append(continuation_scores(log_probabilities, whole, len(ids)))
        next_scores = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), -1)
        candidates = [tokenizer(c, add_special_tokens=False)["input_ids"][-1] for c in CANDIDATES]
        cases.append(
            {
                "user": user,
                "prefix": prefix,
                "separate": separate,
                "limit": limit,
                "stop_at_end_of_turn": stop_at_end_of_turn,
                "output": tokenizer.decode(by_turn if stop_at_end_of_turn else by_eos, skip_special_tokens=True),
                "continuations": continuations,
                "next": next_scores[candidates].tolist(),
            }
        )
    assert rules_differ >= 2 or tokenizer.eos_token_id == 4
    return {"cases": cases, "continuations": CONTINUATIONS, "candidates": CANDIDATES}


def expect_steering(model, tokenizer, prompts, tensors):
    """A control vector from the layers' outputs at the last token of two prompts, added by forward hooks."""
    plan = {"novice": "Anna Berg is unknown to you.", "expert": "You know all about Anna Berg, the painter.", "strength": 1.5}
    layers = model.model.layers
    states = {}

    def last_states(text):
        chat = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        hooks = [
            layer.register_forward_hook(lambda _, __, output, i=i: states.__setitem__(i, output[0, -1].clone()))
            for i, layer in enumerate(layers)
        ]
        model(torch.tensor([tokenizer(chat)["input_ids"]]))
        for hook in hooks:
            hook.remove()
        return [states[i] for i in range(len(layers))]

    novice, expert = last_states(plan["novice"]), last_states(plan["expert"])
    # Layers 14 to 28 of 32, in proportion: of two the second, of three the last two.
    chosen = {2: [1], 3: [1, 2]}[len(layers)]
    vectors = {i: plan["strength"] * (novice[i] - expert[i]) for i in chosen}
    hooks = [
        layers[i].register_forward_hook(lambda _, __, output, v=vector: output + v) for i, vector in vectors.items()
    ]
    scores, generated = [], []
    for i, prompt in enumerate(prompts[:12]):
        logits = model(torch.tensor([prompt])).logits[0]
        if i < 4:
            tensors[f"steered.{i}"] = logits.contiguous()
        scores.append(token_scores(logits, torch.tensor(prompt))["log_probabilities"])
        generated.append(None if changes_rope(model, len(prompt), NEW_TOKENS) else generate(model, prompt, NEW_TOKENS, 4))
    user = QUESTIONS[1]
    chat = tokenizer.apply_chat_template([{"role": "user", "content": user}], tokenize=False, add_generation_prompt=True)
    chat_ids = tokenizer(chat)["input_ids"]
    answer = generate(model, chat_ids, 8, [tokenizer.eos_token_id, 4])
    text_ids = torch.tensor(tokenizer(SENTENCES[1])["input_ids"])
    text_scores = token_scores(model(text_ids[None]).logits[0], text_ids)["log_probabilities"]
    for hook in hooks:
        hook.remove()
    return {
        "plan": plan,
        "layers": chosen,
        "scores": scores,
        "generated": generated,
        "user": user,
        "answer": tokenizer.decode(answer, skip_special_tokens=True),
        "text": SENTENCES[1],
        "text_scores": text_scores,
    }


def token_scores(logits, ids):
    log_probabilities = torch.log_softmax(logits[:-1].double(), -1)
    probabilities = log_probabilities.exp()
    means = (probabilities * log_probabilities).sum(-1)
    variances = (probabilities * log_probabilities.square()).sum(-1) - means.square()
    chosen = log_probabilities.gather(-1, ids[1:, None])[:, 0]
    return {
        "log_probabilities": chosen.tolist(),
        "means": means.tolist(),
        "variances": variances.tolist(),
    }


def main():
    root = pathlib.Path(sys.argv[1])
    stamp = root / "stamp.json"
    identity = {
        "version": VERSION,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "models": json.loads(json.dumps(MODELS)),
    }
    if stamp.exists() and json.loads(stamp.read_text()) == identity:
        return
    shutil.rmtree(root, ignore_errors=True)
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for name, fields in MODELS.items():
        build(name, fields, root / name)
    stamp.write_text(json.dumps(identity))


if __name__ == "__main__":
    main()
