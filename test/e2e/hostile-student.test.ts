// A real server over students whose files were made to hold it: a folder put there by hand is refused in one line, and one
// whose template and expression pass until a request meets what they wait for answers with an error, goes on, and ends
// on SIGTERM.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MAGDI_SERVE } from "../../loadtest/server/server-process.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { post, ServeProcess } from "./serve-process.ts";

const folder = scratchFolder();
const base = path.join(folder, "base");
writeRandomBase(base, { tokenizer: true });

interface TokenizerJson {
  readonly pre_tokenizer: object;
}

/** The base with an expression before those that it has, and a template. */
async function student(name: string, regex: string, template: string): Promise<string> {
  const source = path.join(folder, `${name}-base`);
  cpSync(base, source, { recursive: true });
  const file = path.join(source, "tokenizer.json");
  writeFileSync(file, withSplit(readFileSync(file, "utf8"), regex));
  writeFileSync(path.join(source, "chat_template.jinja"), template);
  const out = path.join(folder, name);
  await importStudent({ source, out, dtypes: ["fp32"] });
  return out;
}

function withSplit(text: string, regex: string): string {
  const json = JSON.parse(text) as TokenizerJson; // the fixture's
  const split = { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
  return JSON.stringify({
    ...json,
    pre_tokenizer: { type: "Sequence", pretokenizers: [split, json.pre_tokenizer] },
  });
}

/** Changes a file of a student by hand, as whoever makes a folder can. */
function change(out: string, name: string, text: string): void {
  writeFileSync(path.join(out, name), text);
  const manifest = JSON.parse(readFileSync(path.join(out, "student.json"), "utf8"));
  const sha256 = createHash("sha256").update(text).digest("hex");
  manifest.files[name] = { bytes: Buffer.byteLength(text), sha256 };
  writeFileSync(path.join(out, "student.json"), JSON.stringify(manifest));
}

const TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}";
const LOOPS =
  "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}";

test("a folder put there by hand is refused in one line, whichever of its files is hostile", async (t) => {
  const out = await student("by-hand", "\\p{N}", TEMPLATE);
  const files = ["tokenizer.json", "chat_template.jinja"] as const;
  const sound = new Map(files.map((name) => [name, readFileSync(path.join(out, name), "utf8")]));
  const hostile: [name: (typeof files)[number], text: string, message: RegExp][] = [
    [
      "chat_template.jinja",
      `${LOOPS}${TEMPLATE}`,
      /chat_template\.jinja: the chat template takes more than \d+ steps/,
    ],
    [
      "tokenizer.json",
      withSplit(sound.get("tokenizer.json") ?? "", "(a|a)+z"),
      /expression "\(a\|a\)\+z" cannot be/,
    ],
  ];
  for (const [name, text, message] of hostile) {
    change(out, name, text);
    const server = new ServeProcess(t, [...MAGDI_SERVE, "--model", out, "--port", "0"]);
    assert.equal(await server.exited, 1);
    const lines = server.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.equal(lines.length, 1, server.stderr);
    assert.match(lines[0] ?? "", /^magdi serve: /);
    assert.match(lines[0] ?? "", message);
    change(out, name, sound.get(name) ?? "");
  }
});

test("bombs that wait for a request end it with an error; others are answered, and SIGTERM ends the server", async (t) => {
  const waiting = `{% for m in messages %}{% if m.content == 'now' %}${LOOPS}{% endif %}{{ m.content }}{% endfor %}`;
  // A back reference hides from the trial what leads to the part that backtracks.
  const out = await student("waiting", "(q)(w)(e)\\1\\2\\3(?:a|a)+z", waiting);
  const server = new ServeProcess(t, [...MAGDI_SERVE, "--model", out, "--port", "0"]);
  const url = await server.ready();
  const chat = (content: string): Promise<Response> =>
    post(url, "/v1/chat/completions", { messages: [{ role: "user", content }], max_tokens: 2 });
  const backtracking = `qweqwe${"a".repeat(60)}`;
  for (const [content, message] of [
    ["now", /the chat template cannot render them: it takes more than \d+ steps/],
    [backtracking, /tokenizer cannot take this text: it was not done after/],
  ] as const) {
    const answer = await chat(content);
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), message);
    assert.equal((await fetch(`${url}/health`)).status, 200);
    assert.equal((await chat("hello")).status, 200);
  }
  const unanswered = [chat("now"), chat(backtracking), chat(backtracking)].map((sent) =>
    sent.catch(() => null),
  );
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  await Promise.all(unanswered);
});
