"""ONNX Runtime GenAI as a subject of the bench: a line of JSON in, a line of JSON out.

Usage: python genai_peer.py STUDENT/onnx/model_X.onnx cpu THREADS ROWS CONTEXT. It needs onnxruntime-genai. It runs the
student's graph for transformers.js, by a genai_config.json that it writes into a temporary folder with links to the
student's files. A line in is {"prompts": [[id, …], …], "samples": n, "maxTokens": m, "temperature": t}, prompts of one
length; every sample gets exactly m tokens, all rows in one batch."""

import json
import os
import sys
import tempfile
import time

import onnxruntime_genai as og


def main() -> None:
    graph, _, threads, rows, context = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    student = os.path.dirname(os.path.dirname(graph))
    with tempfile.TemporaryDirectory() as folder:
        for file in os.listdir(os.path.dirname(graph)):
            os.symlink(os.path.join(os.path.dirname(graph), file), os.path.join(folder, file))
        with open(os.path.join(student, "config.json")) as file:
            config = json.load(file)
        with open(os.path.join(folder, "genai_config.json"), "w") as file:
            json.dump(genai_config(config, os.path.basename(graph), threads, context), file)
        model = og.Model(folder)
    answer({"version": f"ONNX Runtime GenAI {og.__version__}", "dtype": os.path.basename(graph)})
    for line in sys.stdin:
        work = json.loads(line)
        batch = [prompt for prompt in work["prompts"] for _ in range(work["samples"])]
        length = len(batch[0]) + work["maxTokens"]
        start = time.perf_counter()
        params = og.GeneratorParams(model)
        sampling = {"do_sample": False}
        if work["temperature"] > 0:
            sampling = {"do_sample": True, "temperature": work["temperature"], "top_k": 50, "top_p": 0.9}
        params.set_search_options(batch_size=len(batch), min_length=length, max_length=length, **sampling)
        generator = og.Generator(model, params)
        generator.append_tokens(batch)
        first = None
        steps = 0
        while steps < work["maxTokens"]:
            generator.generate_next_token()
            steps += 1
            first = first or time.perf_counter()
        end = time.perf_counter()
        answer(
            {
                "firstTokenMs": 1000 * (first - start),
                "totalMs": 1000 * (end - start),
                "tokens": steps * len(batch),
            }
        )


def genai_config(config: dict, filename: str, threads: int, context: int) -> dict:
    ends = config["eos_token_id"]
    heads = config["num_attention_heads"]
    return {
        "model": {
            "type": config["model_type"],
            "vocab_size": config["vocab_size"],
            "context_length": context,
            "bos_token_id": config.get("bos_token_id") or 0,
            "eos_token_id": ends,
            "pad_token_id": config.get("pad_token_id") or (ends[0] if isinstance(ends, list) else ends),
            "decoder": {
                "session_options": {"intra_op_num_threads": threads, "provider_options": []},
                "filename": filename,
                "hidden_size": config["hidden_size"],
                "head_size": config.get("head_dim") or config["hidden_size"] // heads,
                "num_attention_heads": heads,
                "num_key_value_heads": config["num_key_value_heads"],
                "num_hidden_layers": config["num_hidden_layers"],
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
            },
        },
        "search": {"max_length": context, "past_present_share_buffer": True},
    }


def answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


main()
