// OpenAI's own client against this server: the model's name is the student's.
//
//   npm install openai
//   npx tsx examples/openai-client.ts "Why is the sky blue?"
import OpenAI from "openai";

const openai = new OpenAI({
  baseURL: `${process.env.MAGDI_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.MAGDI_API_KEY ?? "none",
});
const content = process.argv[2] ?? "Why is the sky blue?";

const [student] = (await openai.models.list()).data;
const model = student?.id ?? "";
console.log(`model: ${model}`);

const completion = await openai.chat.completions.create({
  model,
  messages: [{ role: "user", content }],
  n: 2,
  max_tokens: 60,
  seed: 1,
  temperature: 0.7,
});
for (const { index, message } of completion.choices) console.log(`${index}: ${message.content}`);

const stream = await openai.chat.completions.create({
  model,
  messages: [{ role: "user", content }],
  max_tokens: 60,
  temperature: 0,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  if (chunk.usage) console.log(`\n${chunk.usage.completion_tokens} tokens`);
}
