// Many questions on one connection, one of them settled early and one cancelled.
//
//   npx tsx examples/socket.ts "What is 12 * 7?" "Is the Atlantic an ocean?"
import { MagdiClient } from "magdi/client";

const client = new MagdiClient({
  baseUrl: process.env.MAGDI_URL ?? "http://127.0.0.1:8080",
  ...(process.env.MAGDI_API_KEY ? { apiKey: process.env.MAGDI_API_KEY } : {}),
});
const asked = process.argv.slice(2);
const questions = asked.length > 0 ? asked : ["What is 12 * 7?", "Is the Atlantic an ocean?"];

const session = await client.connect();

// All at once: their frames come mixed, and each run has its own.
const answers = questions.map(async (question) => {
  const { answer } = await session.reason({ question, samples: 3, seed: 1 }).result;
  return `${question} ${answer}`;
});
for (const line of await Promise.all(answers)) console.log(line);

// The first two samples are enough for this one.
const hasty = session.reason({ question: questions[0] ?? "", samples: 8, early_stop: "off", seed: 1 });
for await (const frame of hasty) {
  if (frame.type === "vote" && frame.remaining <= 6) {
    hasty.enough();
    break;
  }
}
const { stop_reason, decided_at } = await hasty.result;
console.log(`${stop_reason} after ${decided_at} of 8 samples`);

// And this one nobody needs any more.
const needless = session.reason({ question: questions[0] ?? "", samples: 8 });
needless.cancel();
await needless.result.catch((error: { code?: string }) => console.log(`ended: ${error.code}`));

await session.close();
