"""What Transformers computes from exported models, against recorded logits.

Reads a JSON list of {"folder", "gguf" (a file's name or null), "reference" (forward.safetensors)} from stdin; prints a JSON list
of {"logits": largest difference, "scale": largest reference logit, "greedy": whether the greedy tokens are the same}.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)  # tiny models
results = []
for case in json.load(sys.stdin):
    gguf = {} if case["gguf"] is None else {"gguf_file": case["gguf"]}
    model = AutoModelForCausalLM.from_pretrained(
        case["folder"], dtype=torch.float32, attn_implementation="eager", **gguf
    ).eval()
    reference = load_file(case["reference"])
    ids = reference["input_ids"].long()
    with torch.no_grad():
        logits = model(ids).logits
        row = reference["greedy"].long()[0]
        greedy = row[:9].clone()
        while len(greedy) < len(row):
            greedy = torch.cat([greedy, model(greedy[None]).logits[0, -1].argmax()[None]])
    results.append(
        {
            "logits": (logits - reference["logits"]).abs().max().item(),
            "scale": reference["logits"].abs().max().item(),
            "greedy": bool((greedy == row).all()),
        }
    )
print(json.dumps(results))
