// A question that the server's agents debate, as it goes on, and one that they debate only if the student is not sure.
//
//   npx magdi serve --agents agents.json &
//   npx tsx examples/debate.ts "What is 12 * 7?"
import { MagdiClient } from "magdi/client";

const client = new MagdiClient({
  baseUrl: process.env.MAGDI_URL ?? "http://127.0.0.1:8080",
  ...(process.env.MAGDI_API_KEY ? { apiKey: process.env.MAGDI_API_KEY } : {}),
});
const question = process.argv[2] ?? "What is 12 * 7?";

const { data: agents } = await client.agents();
if (agents.length === 0) {
  console.error("this server has no agents: start it with --agents FILE");
  process.exit(1);
}
console.log(`agents: ${agents.map(({ name }) => name).join(", ")}`);

const debate = client.debateStream({ question, rounds: 2 });
for await (const frame of debate) {
  if (frame.type === "node")
    console.log(`${frame.node.agent}, round ${frame.node.round}: ${frame.node.answer}`);
  if (frame.type === "round" && !frame.consensus) console.log(`round ${frame.round}: they do not agree`);
}
const { answer, stop_reason, usage } = await debate.result();
console.log(`${stop_reason}: ${answer}, ${usage.total_tokens} tokens, $${usage.usd ?? "unknown"}`);

const asked = await client.reason({ question, samples: 5, early_stop: "off", escalate: { below: 0.6 } });
const { escalated } = asked;
if (!escalated) console.log(`the student is sure: ${asked.answer}`);
else if (escalated.failed !== null) console.log(`the student's: ${asked.answer} (${escalated.failed})`);
else console.log(`the student said ${escalated.from.answer}, the agents: ${asked.answer}`);
