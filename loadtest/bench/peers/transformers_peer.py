"""Hugging Face Transformers as a subject of the bench: a line of JSON in, a line of JSON out.

Usage: python transformers_peer.py BASE_FOLDER DEVICE THREADS ROWS CONTEXT. It needs torch and transformers. A line in is
{"prompts": [[id, …], …], "samples": n, "maxTokens": m, "temperature": t}, prompts of one length; every sample gets
exactly m tokens, all rows in one batch of generate(). On a GPU the weights are bfloat16, on a processor float32."""

import json
import sys
import time

import torch
import transformers
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList


class FirstToken(LogitsProcessor):
    """Notes when the first token's logits are there."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.at: float | None = None

    def __call__(self, input_ids, scores):
        if self.at is None:
            wait(self.device)
            self.at = time.perf_counter()
        return scores


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    folder, device, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch has no CUDA device here")
    torch.set_num_threads(threads)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    answer({"version": f"Transformers {transformers.__version__} on torch {torch.__version__}", "dtype": str(dtype)})
    for line in sys.stdin:
        work = json.loads(line)
        rows = [prompt for prompt in work["prompts"] for _ in range(work["samples"])]
        count = work["maxTokens"]
        sampling = {"do_sample": False}
        if work["temperature"] > 0:
            sampling = {"do_sample": True, "temperature": work["temperature"], "top_k": 50, "top_p": 0.9}
        start = time.perf_counter()
        ids = torch.tensor(rows, device=device)
        first = FirstToken(device)
        with torch.inference_mode():
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                min_new_tokens=count,
                max_new_tokens=count,
                pad_token_id=0,
                logits_processor=LogitsProcessorList([first]),
                **sampling,
            )
        wait(device)
        end = time.perf_counter()
        tokens = made.shape[0] * (made.shape[1] - ids.shape[1])
        firstTokenMs = 1000 * ((first.at or end) - start)
        answer({"firstTokenMs": firstTokenMs, "totalMs": 1000 * (end - start), "tokens": tokens})


def answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


main()
