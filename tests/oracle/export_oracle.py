"""Loads what worker/engine/export_test.cc exported with transformers and peft, and compares logits.

Usage: export_oracle.py EXPORTS_FOLDER. Fails where a logit differs by more than 1e-5; says the largest difference of
every export.
"""

import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json  # noqa: E402

import peft  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

TOLERANCE = 1e-5


def load(folder):
    """The model of an export: adapters on the model that they name, or whole weights."""
    config = folder / "adapter_config.json"
    if not config.exists():
        return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    base = json.loads(config.read_text())["base_model_name_or_path"]
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = peft.PeftModel.from_pretrained(model, folder).eval()
    stored = safetensors.torch.load_file(folder / "adapter_model.safetensors")
    held = peft.get_peft_model_state_dict(adapted)
    assert stored.keys() == held.keys(), f"{folder}: peft holds other adapters than are stored"
    return adapted


@torch.no_grad()
def largest_difference(case):
    ours = safetensors.torch.load_file(case / "ours.safetensors")
    model = load(case / "export")
    transformers.AutoTokenizer.from_pretrained(case / "export")
    assert next(iter(model.parameters())).dtype == torch.float32
    largest = 0.0
    for name, tokens in ours.items():
        if name.startswith("tokens."):
            logits = model(tokens[None]).logits[0]
            largest = max(largest, (logits - ours[name.replace("tokens", "logits")]).abs().max().item())
    return largest


def main():
    transformers.utils.logging.set_verbosity_error()
    cases = sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_dir())
    assert len(cases) >= 20, f"{len(cases)} exports"
    failed = False
    for case in cases:
        largest = largest_difference(case)
        failed = failed or not largest <= TOLERANCE
        print(f"{case.name}: {largest:.2e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
