"""Writes what HF tokenizers and transformers make of about 1,000 texts and a few chats.

Usage: text_oracle.py OUT_FOLDER. One folder per tokenizer family, each a model folder's tokenizer
files and cases.json; text/oracle_test.cc compares.
"""

import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
LLAMA3_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' "
    "+ message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA2_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL_SPECIALS = ["[INST]", "[/INST]"]
MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
PHI3_SPECIALS = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
PHI3_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN2_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Leans on Python: methods, slices, namespaces, loop controls, json.dumps, block trimming. The date shows only by its
# length: strftime_now is defined in transformers alone.
PYTHON_TEMPLATE = """{#- a comment -#}
{%- set ns = namespace(count=0) %}
{% if tools is not none and tools is defined %}
tools
{% endif %}
{{- bos_token }}
{% for m in messages[::-1] %}
    {% if m.role not in ['user', 'assistant', 'system'] %}
        {{ raise_exception("unknown role: " ~ m.role) }}
    {% endif %}
    {% if m['content'].startswith('skip') %}{% continue %}{% endif %}
    {% set ns.count = ns.count + 1 %}
<{{ m.role.title() }} {{ loop.index }}/{{ messages | length }}>{{ m.content.rstrip().split(' ')[-1] }}
  {{ m | tojson }}
{{ m.get('content', '') | tojson(indent=2) }}
    {%- if not loop.last %}, {% else %}.
{% endif %}
{% endfor %}
{% if strftime_now is defined %}{{ strftime_now('%Y')|length }}{% else %}4{% endif %} {{ ns.count }} {{ add_generation_prompt }} {{ none }} {{ 7 // 2 }} {{ 'a' if ns.count > 1 else 'b' }}
{% if add_generation_prompt %}
<Assistant>
{% endif %}
"""

WORDS = (
    "the of and person born Stephen King Beyoncé Gárulk Müller naïve l'été I'm don't we'll IT'S 1947 12345 3.14 "
    "日本語 中文字符 한국어 русский עברית العربية ñandú ﬁn Å Å e\u0301 🎉 👩‍👩‍👧 🇫🇷 … — “quoted” <b> & %s {x} \\n http://a.b/c?d=e "
    "fooBar snake_case  ABC-def $5 €10 ½ ² \u200b \ufeff \u00a0"
).split(" ")
SPACES = [" ", "  ", "\n", "\n\n", "\t", " \n ", "\r\n", "\u00a0", "\u3000", "   "]


def make_texts(specials):
    rng = random.Random(7)
    texts = ["", " ", "\n", "\n\n ", "\t\t", "a", "\x00", "\x7f", "é" * 50, " . , ! ?", "a 's b n't ' x 've"]
    texts += specials + [s + " x" for s in specials] + ["x" + s + s + "y" for s in specials]
    while len(texts) < 1000:
        parts = []
        for _ in range(rng.randint(1, 25)):
            parts.append(rng.choice(WORDS) if rng.random() > 0.05 else rng.choice(specials))
            parts.append(rng.choice(SPACES) if rng.random() < 0.25 else " ")
        if rng.random() < 0.2:
            parts.append("".join(chr(rng.choice([rng.randint(32, 126), rng.randint(160, 0x2FFF), rng.randint(0x1F300, 0x1FAFF)]))
                                 for _ in range(rng.randint(1, 30))))
        texts.append("".join(parts))
    return texts


def byte_level(pattern=LLAMA3_PATTERN, specials=LLAMA3_SPECIALS, bos="<|begin_of_text|>", normalizer=None):
    """Llama-3's layout, or Qwen2's: byte-level BPE after a split by a pattern."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(make_texts(["x"]), trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if bos:
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=bos + " $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]),
        ])
    return tokenizer


def sentencepiece_like(metaspace=False, added=(), adds_bos=True):
    """Byte fallback and U+2581 for spaces: Llama-2's and Phi-3's layout, where a normalizer writes it, or Mistral's newer one,
    where a pre-tokenizer does and only the text's beginning gets one in front. `added` follow the vocabulary."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(content=" ", left=1)])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=specials, limit_alphabet=100, show_progress=False)
    tokenizer.train_from_iterator(make_texts(["x"]), trainer)
    # The bytes are ordinary vocabulary; only the first three are special.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = state["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens(list(added))
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def write_family(folder, tokenizer, bos, eos, template, specials, clean_up, template_in_config, end_of_turn=None):
    os.makedirs(folder, exist_ok=True)
    # Truncation and padding in the file must not have an effect.
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9, pad_token=eos, pad_id=tokenizer.token_to_id(eos))
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos,
              "clean_up_tokenization_spaces": clean_up}
    if template_in_config:
        config["chat_template"] = template
    else:
        with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as file:
            file.write(template)
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)

    hf = PreTrainedTokenizerFast.from_pretrained(folder)
    texts = []
    for text in make_texts(specials):
        ids = hf.encode(text, add_special_tokens=False)
        texts.append({"text": text, "ids": ids, "ids_special": hf.encode(text, add_special_tokens=True),
                      "decoded": hf.decode(ids, skip_special_tokens=True)})
    chats = []
    user, answer = {"role": "user", "content": "  Who is \"Beyoncé\" <b>?\n"}, {"role": "assistant", "content": "A singer. "}
    system = {"role": "system", "content": "skip it: be brief"}
    for messages in ([user], [system, user], [user, answer, user], [system, user, answer], [answer], [user, user],
                     [{"role": "wizard", "content": "x\ty\\z\u2028é🎉"}, user]):
        for add in (False, True):
            try:
                rendered = hf.apply_chat_template(messages, tokenize=False, add_generation_prompt=add)
            except Exception as error:  # raise_exception of the template
                print(f"{folder}: {type(error).__name__}: {error}")
                rendered = None
            chats.append({"messages": messages, "add_generation_prompt": add, "rendered": rendered})
    cases = {"texts": texts, "chats": chats, "vocabulary_size": len(hf), "bos_id": hf.bos_token_id, "eos_id": hf.eos_token_id,
             "end_of_turn_id": hf.convert_tokens_to_ids(end_of_turn or eos)}
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
        json.dump(cases, file)


def main():
    out = sys.argv[1]
    write_family(os.path.join(out, "llama3"), byte_level(), "<|begin_of_text|>", "<|eot_id|>", LLAMA3_TEMPLATE,
                 LLAMA3_SPECIALS, clean_up=True, template_in_config=True)
    write_family(os.path.join(out, "llama2"), sentencepiece_like(), "<s>", "</s>", LLAMA2_TEMPLATE, ["<s>", "</s>"],
                 clean_up=False, template_in_config=False)
    write_family(os.path.join(out, "mistral"), sentencepiece_like(metaspace=True, added=MISTRAL_SPECIALS), "<s>", "</s>",
                 MISTRAL_TEMPLATE, ["<s>", "</s>"] + MISTRAL_SPECIALS, clean_up=False, template_in_config=True)
    phi3_added = [AddedToken(token, normalized=False, special=True, rstrip=token != "<|endoftext|>") for token in PHI3_SPECIALS]
    write_family(os.path.join(out, "phi3"), sentencepiece_like(added=phi3_added, adds_bos=False), "<s>", "<|endoftext|>",
                 PHI3_TEMPLATE, PHI3_SPECIALS, clean_up=False, template_in_config=True, end_of_turn="<|end|>")
    write_family(os.path.join(out, "qwen2"),
                 byte_level(QWEN2_PATTERN, QWEN2_SPECIALS, bos=None, normalizer=normalizers.NFC()), None, "<|endoftext|>",
                 QWEN2_TEMPLATE, QWEN2_SPECIALS, clean_up=False, template_in_config=True, end_of_turn="<|im_end|>")
    write_family(os.path.join(out, "python"), byte_level(), "<|begin_of_text|>", "<|end_of_text|>", PYTHON_TEMPLATE,
                 LLAMA3_SPECIALS, clean_up=False, template_in_config=False, end_of_turn="<|eot_id|>")


if __name__ == "__main__":
    main()
