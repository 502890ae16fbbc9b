// Opens a student folder for serving: tokenizer, template, graph, engine. The place where the rooms below meet.

import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { Engine } from "../engine/engine.ts";
import { OnnxModelRunner } from "../engine/onnx-model-runner.ts";
import { MagdiError } from "../errors.ts";
import { MANIFEST_FILE } from "../student/manifest.ts";
import { openStudentFolder } from "../student/student-folder.ts";
import { openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer } from "../text/tokenizer.ts";
import type { OpenStudent } from "./served-student.ts";

/** Context that is reserved unless a setting says otherwise, where the student's own is longer. */
const DEFAULT_CONTEXT_TOKENS = 4096;
/** Tokens of a prompt that are computed between two decode steps. */
const PREFILL_CHUNK_TOKENS = 128;

/** Reads the folder, loads the graph, and starts an engine over it. */
export const openStudent: OpenStudent = async (folder, { config, onStep }) => {
  const student = openStudentFolder(folder, config.dtype ?? undefined);
  const contextLength = config.contextLength ?? Math.min(student.config.positions, DEFAULT_CONTEXT_TOKENS);
  if (contextLength > student.config.positions) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `contextLength: expected at most the student's ${student.config.positions}, found ${contextLength}`,
    );
  }
  const [tokenizer, chatTemplate] = await Promise.all([openTokenizer(folder), openChatTemplate(folder)]);
  const runner = await OnnxModelRunner.open({
    graphPath: student.engineGraph,
    config: student.config,
    maxRows: config.batchRows,
    contextLength,
    prefillChunkTokens: PREFILL_CHUNK_TOKENS,
    threads: config.threads ?? availableParallelism(),
    probeCuts: config.prefixCacheTokens > 0,
  });
  const engine = new Engine({
    runner,
    tokenizer,
    eosTokenIds: student.endTokenIds,
    maxWaitingSamples: config.queueSamples,
    maxSamplesPerRequest: config.maxSamples,
    prefixCacheTokens: config.prefixCacheTokens,
    stallMs: config.stallTimeoutMs,
    onStep,
  });
  return {
    id: student.manifest.name,
    engine,
    tokenizer,
    chatTemplate: chatTemplate ?? plainChatTemplate,
    manifest: { ...student.manifest, dtype: student.dtype },
    created: Math.floor(statSync(path.join(folder, MANIFEST_FILE)).mtimeMs / 1000),
  };
};
