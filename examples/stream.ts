// The samples' thoughts while they are generated, then the answer.
//
//   npx tsx examples/stream.ts "Tom has 3 apples and buys 4 more. How many has he now?"
import { MagdiClient } from "magdi/client";

const client = new MagdiClient({
  baseUrl: process.env.MAGDI_URL ?? "http://127.0.0.1:8080",
  ...(process.env.MAGDI_API_KEY ? { apiKey: process.env.MAGDI_API_KEY } : {}),
});
const question = process.argv[2] ?? "Tom has 3 apples and buys 4 more. How many apples has he now?";

const stream = client.reasonStream(
  { question, samples: 3, seed: 1 },
  { signal: AbortSignal.timeout(120_000) },
);
for await (const frame of stream) {
  if (frame.type === "token" && frame.sample === 0) process.stdout.write(frame.text);
  if (frame.type === "sample") console.log(`\nsample ${frame.sample} says ${frame.answer ?? "nothing"}`);
  if (frame.type === "vote") console.log(`${frame.remaining} to go`);
}
const { answer, stop_reason } = await stream.result();
console.log(`answer: ${answer} (${stop_reason})`);
