// Asks a served model for one or two sentences that lead to the gold answer of training questions without recorded agents.
// Appends to OUT and goes on where it was stopped; ask for fewer, or more, by the counts.
//
//   magdi serve --model TEACHER --port 8080 --batch-rows 24 --prefix-cache-tokens 4096
//   node --import tsx scripts/student/reasons.ts DATA http://127.0.0.1:8080 OUT csqa:1300 arc_challenge:700

import { appendFileSync, existsSync } from "node:fs";
import { shuffled } from "../../src/mag/contrastive-pairs.ts";
import { seededRandom } from "../../src/train/batches/seeded-random.ts";
import { type BenchQuestion, benchQuestions, records } from "./questions.ts";

const AT_ONCE = 24;
const SEED = 7;

const FOR_CHOICES = `You are given a question and its right answer. Write one short sentence (at most 20 words) that states the fact which makes this answer right, using the words of the answer. Do not mention the question or the choices.`;
const FOR_YES_NO = `You are given a yes-or-no question, some facts and the right answer. Write one or two short sentences (at most 35 words in all) that compare the facts and so lead to the answer. Do not write the answer itself.`;

const [data, url, out, ...counts] = process.argv.slice(2);
if (data === undefined || url === undefined || out === undefined || counts.length === 0) {
  console.error("expected DATA URL OUT BENCH:COUNT …: see the head of this file");
  process.exit(2);
}

const done = new Set<string>();
if (existsSync(out)) for await (const { id } of records<{ id: string }>(out)) done.add(id);
const { data: models } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
const model = models[0]?.id;

const waiting: BenchQuestion[] = [];
for (const count of counts) {
  const [bench = "", most] = count.split(":");
  const questions = (await benchQuestions(data, bench)).filter(({ use }) => use === "train");
  waiting.push(...shuffled(questions, seededRandom(SEED)).slice(0, Number(most)));
}
const asked = waiting.filter(({ id }) => !done.has(id));
console.log(`${waiting.length} questions, ${asked.length} to ask ${model}`);

const startMs = Date.now();
let written = 0;
await Promise.all(Array.from({ length: AT_ONCE }, () => askInTurn()));

async function askInTurn(): Promise<void> {
  for (let question = asked.shift(); question !== undefined; question = asked.shift()) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, messages: messagesFor(question), max_tokens: 60, temperature: 0 }),
    });
    if (!response.ok) throw new Error(`${question.id}: ${response.status} ${await response.text()}`);
    const { choices } = (await response.json()) as {
      choices: [{ message: { content: string }; finish_reason: string }];
    };
    const [{ message, finish_reason: finish }] = choices;
    appendFileSync(out!, `${JSON.stringify({ id: question.id, text: message.content, finish })}\n`);
    written += 1;
    if (written % 100 === 0) console.log(`${written} after ${Math.round((Date.now() - startMs) / 1000)} s`);
  }
}

function messagesFor({ question, choices, answer, facts = [] }: BenchQuestion) {
  const system = choices === null ? FOR_YES_NO : FOR_CHOICES;
  const said = choices?.find(({ label }) => label === answer)?.text ?? answer;
  const known = facts.length === 0 ? "" : `Facts: ${facts.join(" ")}\n`;
  return [
    { role: "system", content: system },
    { role: "user", content: `Question: ${question}\n${known}Answer: ${said}` },
  ];
}
