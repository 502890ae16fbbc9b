// A student in this process, without a server: one voted answer, its text as it comes, and plain generation.
//
//   npx tsx examples/in-process.ts models/smollm2-135m-instruct "Tom has 3 apples and buys 4 more. How many has he now?"
import { openStudent } from "magdi";

const folder = process.argv[2]; // without one, the student that ships
const question = process.argv[3] ?? "Tom has 3 apples and buys 4 more. How many apples has he now?";

const student = await openStudent(folder);
for await (const event of student.ask({ question, samples: 3, maxTokens: 60, seed: 1 })) {
  if (event.type === "token" && event.sample === 0) process.stdout.write(event.text);
  if (event.type === "result") {
    const { answer, votes, usage, comparison } = event.record;
    console.log(`\nanswer: ${answer}`);
    for (const vote of votes) console.log(`${vote.count} of 3 said ${vote.answer}`);
    console.log(`${usage.totalTokens} tokens; a debate takes ${comparison?.tokens ?? "an unknown number"}`);
  }
}

const run = student.generate({
  messages: [{ role: "user", content: "Name a fruit." }],
  maxTokens: 12,
  temperature: 0,
});
console.log((await run.result).samples[0]?.text);
await student.close();
