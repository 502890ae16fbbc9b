"""vLLM as a subject of the bench: a line of JSON in, a line of JSON out, as transformers_peer.py.

Usage: python vllm_peer.py BASE_FOLDER DEVICE THREADS ROWS CONTEXT. It needs vllm and a CUDA device. The time of the first
token is that of the same prompts with one token each; prefixes are not reused between workloads."""

import json
import os
import sys
import time

# Its own output goes where errors go: answers alone are read.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import vllm  # noqa: E402
from vllm import LLM, SamplingParams  # noqa: E402


def main() -> None:
    folder, device, rows, context = sys.argv[1], sys.argv[2], int(sys.argv[4]), int(sys.argv[5])
    if device != "cuda":
        sys.exit("vLLM is measured on CUDA only")
    engine = LLM(
        model=folder,
        skip_tokenizer_init=True,
        dtype="bfloat16",
        max_model_len=context,
        max_num_seqs=rows,
        enable_prefix_caching=False,
    )
    answer({"version": f"vLLM {vllm.__version__}", "dtype": "bfloat16"})
    for line in sys.stdin:
        work = json.loads(line)
        first, _ = timed(engine, work, 1)
        total, tokens = timed(engine, work, work["maxTokens"])
        answer({"firstTokenMs": first, "totalMs": total, "tokens": tokens})


def timed(engine: LLM, work: dict, count: int) -> tuple[float, int]:
    """Milliseconds and tokens of the workload with `count` tokens a sample."""
    params = SamplingParams(
        n=work["samples"],
        temperature=work["temperature"],
        top_k=50,
        top_p=0.9 if work["temperature"] > 0 else 1.0,
        min_tokens=count,
        max_tokens=count,
        ignore_eos=True,
        detokenize=False,
    )
    prompts = [{"prompt_token_ids": prompt} for prompt in work["prompts"]]
    start = time.perf_counter()
    outputs = engine.generate(prompts, params, use_tqdm=False)
    milliseconds = 1000 * (time.perf_counter() - start)
    return milliseconds, sum(len(sample.token_ids) for output in outputs for sample in output.outputs)


def answer(value: dict) -> None:
    print(json.dumps(value), file=answers, flush=True)


main()
