"""Python's side of peft-python.test.ts: PEFT loads the adapters that we wrote, and writes adapters for us to load.

    python peft_logits.py JOBS.json

JOBS.json is a list of {base, ours, theirs, config, ids, out}: folders of a base and of an adapter that we wrote, the
folder to write another adapter to with this LoraConfig, token ids [B, T], and the safetensors file for the logits.
"""

import json
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


def run(job: dict) -> None:
    ids = torch.tensor(job["ids"])

    def base():
        return AutoModelForCausalLM.from_pretrained(job["base"], dtype=torch.float32).eval()

    def logits(model) -> torch.Tensor:
        with torch.inference_mode():
            return model(ids, use_cache=False).logits.clone().contiguous()

    found = {"base": logits(base())}
    ours = PeftModel.from_pretrained(base(), job["ours"]).eval()
    found["ours"] = logits(ours)
    found["ours_merged"] = logits(ours.merge_and_unload())
    theirs = get_peft_model(base(), LoraConfig(task_type="CAUSAL_LM", **job["config"])).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    theirs.save_pretrained(job["theirs"])
    found["theirs"] = logits(theirs)
    save_file(found, job["out"])


torch.set_num_threads(1)
with open(sys.argv[1]) as file:
    for job in json.load(file):
        run(job)
