// One question, five samples, one voted answer.
//
//   npx magdi serve &
//   npx tsx examples/reason.ts "Tom has 3 apples and buys 4 more. How many has he now?"
import { MagdiApiError, MagdiClient } from "magdi/client";

const client = new MagdiClient({
  baseUrl: process.env.MAGDI_URL ?? "http://127.0.0.1:8080",
  ...(process.env.MAGDI_API_KEY ? { apiKey: process.env.MAGDI_API_KEY } : {}),
});
const question = process.argv[2] ?? "Tom has 3 apples and buys 4 more. How many apples has he now?";

try {
  const { answer, votes, usage, comparison } = await client.reason({ question, samples: 5, seed: 1 });
  console.log(`answer: ${answer}`);
  for (const vote of votes) console.log(`${vote.count} of 5 said ${vote.answer}`);
  console.log(`${usage.total_tokens} tokens; a debate takes ${comparison?.tokens ?? "an unknown number"}`);
} catch (error) {
  if (!(error instanceof MagdiApiError)) throw error;
  console.error(`refused (${error.status} ${error.code ?? error.type}): ${error.message}`);
  process.exitCode = 1;
}
