// 50 questions of five samples each, asked of the student that ships: the answers are those that were recorded, bit for
// bit. They were recorded over HTTP before the voted question left the server's rooms.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Json } from "../server/support/running-app.ts";
import { fixture } from "../support/scratch-folder.ts";
import { post, ServeProcess } from "./serve-process.ts";

const read = (name: string) => readFileSync(fixture("recorded-answers", name), "utf8");
const recorded = read("questions.jsonl")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as { readonly request: Json; readonly response: Json });

/** ONNX Runtime's kernels differ between processors in the last bits, and with them now and then a sample. */
const RECORDED_ON: readonly string[] = JSON.parse(read("processor.json"));
const KERNELS = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8"];

function otherProcessor(): string | false {
  const why = `the answers were recorded on a processor with ${RECORDED_ON.join(", ")}`;
  if (process.platform !== "linux" || process.arch !== "x64") return why;
  const flags = /^flags\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  const here = KERNELS.filter((flag) => flags.includes(flag));
  return here.join() === RECORDED_ON.join() ? false : `${why}; this one has ${here.join(", ")}`;
}

/** What the load decides is left out: what was reused, and what a sample had come to when the vote ended it. */
function lasting({ id: _id, timing: _timing, usage, comparison, samples, ...response }: Json): Json {
  const { prompt_tokens_computed: _computed, ...counted } = usage;
  const decided = samples.some((sample: Json) => sample.finish_reason === "cancelled");
  return {
    ...response,
    samples: samples.map((sample: Json) =>
      sample.finish_reason === "cancelled"
        ? { index: sample.index, finish_reason: sample.finish_reason }
        : sample,
    ),
    usage: decided ? { prompt_tokens: counted.prompt_tokens } : counted,
    comparison: decided ? { ...comparison, ratio: null } : comparison,
  };
}

test("the same seeds give the answers that were recorded", { skip: otherProcessor() }, async (t) => {
  assert.equal(recorded.length, 50);
  const server = new ServeProcess(t, ["bin/magdi.js", "serve", "--port", "0"]);
  const url = await server.ready();
  const open = [...recorded];
  const work = async () => {
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      const response = await post(url, "/v1/reason", next.request);
      assert.equal(response.status, 200);
      assert.deepEqual(lasting((await response.json()) as Json), next.response, next.request.question);
    }
  };
  await Promise.all(Array.from({ length: 6 }, work));
});
