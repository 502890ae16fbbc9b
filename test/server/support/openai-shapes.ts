// OpenAI's answers as the schemas have them, and what tests read of them.
import assert from "node:assert/strict";
import type { ZodType } from "zod";
import { chatCompletion, chatCompletionChunk } from "../../../src/server/openai/chat-schema.ts";
import { textCompletion, textCompletionChunk } from "../../../src/server/openai/completions-schema.ts";
import type { Json, RunningApp, ServerEvent } from "./running-app.ts";

export const CHAT = "/v1/chat/completions";
export const TEXT = "/v1/completions";
export const REASON = "/v1/reason";
export const INFERENCE = [CHAT, TEXT, REASON] as const;

export function chat(content: string, fields: object = {}): object {
  return { messages: [{ role: "user", content }], ...fields };
}

/** The same prompt as a body of each route. */
export function bodyOf(path: string, prompt: string, fields: object = {}): object {
  if (path === CHAT) return chat(prompt, fields);
  return path === TEXT ? { prompt, ...fields } : { question: prompt, ...fields };
}

/** Holds a value to a schema: nothing missing, nothing wrong, nothing more. */
export function assertShape(schema: ZodType, value: unknown): void {
  assert.deepEqual(schema.parse(value), value);
}

/** A whole answer of an OpenAI route, held to its schema. */
export async function whole(server: RunningApp, path: string, body: object): Promise<Json> {
  const answer = await server.post(path, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assertShape(path === CHAT ? chatCompletion : textCompletion, answer.body);
  return answer.body;
}

/** All chunks of a streamed answer, each held to its schema; the end is [DONE]. */
export async function streamed(server: RunningApp, path: string, body: object): Promise<Json[]> {
  const events: ServerEvent[] = await server.stream(path, body);
  assert.equal(events.pop()?.data, "[DONE]");
  for (const { data } of events) assertShape(path === CHAT ? chatCompletionChunk : textCompletionChunk, data);
  return events.map(({ data }) => data);
}

/** The choices of one index in a stream's chunks. */
export function choicesOf(chunks: readonly Json[], index: number): Json[] {
  return chunks.flatMap((chunk) => chunk.choices).filter((choice: Json) => choice.index === index);
}

export function streamedText(chunks: readonly Json[], index: number): string {
  return choicesOf(chunks, index)
    .map((choice) => choice.text ?? choice.delta.content ?? "")
    .join("");
}

/** Asks whole and streamed, holds the two against each other choice by choice, and gives the texts. */
export async function bothWays(server: RunningApp, path: string, body: object): Promise<string[]> {
  const answer = await whole(server, path, body);
  const chunks = await streamed(server, path, body);
  return answer.choices.map((choice: Json) => {
    const text = choice.text ?? choice.message.content;
    assert.equal(streamedText(chunks, choice.index), text);
    const ends = choicesOf(chunks, choice.index).filter(({ finish_reason }) => finish_reason !== null);
    assert.deepEqual(
      ends.map(({ finish_reason }) => finish_reason),
      [choice.finish_reason],
    );
    return text;
  });
}
