"""A LoRA training step of PyTorch and PEFT, as a process that is told what to do: a line in, a line of JSON out.

Usage: python peer.py BASE_FOLDER THREADS RANK DEVICE. It needs torch, transformers and peft. On cuda the base is bfloat16
and the adapters float32, as PEFT has them; peak memory is then the device's. Lines in: "batch ROWS COLUMNS
PROMPT ID…" and "step"; a step is forward, backward and AdamW, its loss the mean over each row's tokens behind the first
PROMPT ones."""

import json
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def main() -> None:
    folder, threads, rank, device = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    on_gpu = device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        sys.exit("torch has no CUDA device here")
    torch.set_num_threads(threads)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if on_gpu else torch.float32)
    base = base.to(device)
    targets = ["q_proj", "v_proj"]
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=targets)
    model = get_peft_model(base, lora)
    model.train()
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=1e-4)
    tokens = labels = torch.zeros((1, 1), dtype=torch.int64, device=device)
    answer({"version": torch.__version__, "parameters": sum(parameter.numel() for parameter in learned)})
    for line in sys.stdin:
        words = line.split()
        if words[0] == "batch":
            rows, columns, prompt = (int(word) for word in words[1:4])
            tokens = torch.tensor([int(word) for word in words[4:]], device=device).reshape(rows, columns)
            labels = tokens.clone()
            labels[:, :prompt] = -100
            answer({})
        else:
            start = time.perf_counter()
            loss = model(input_ids=tokens, labels=labels).loss
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            value = loss.item()
            if on_gpu:
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            peak = torch.cuda.max_memory_allocated() if on_gpu else resident
            answer({"loss": value, "seconds": seconds, "cpuSeconds": time.process_time(), "peakBytes": peak})


def answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


main()
