// The playground's main script: sends the form's question and passes its frames to the views.
import { ApiKey } from "./api-key.js";
import { ask, CANCELLED, REASON_URL } from "./ask.js";
import { curlLine } from "./curl-line.js";
import { byId } from "./dom.js";
import { LedgerView } from "./ledger-view.js";
import { QuestionForm } from "./question-form.js";
import { SamplesView } from "./samples-view.js";
import { ServerError } from "./server-error.js";
import { watchServer } from "./server-status.js";
import { VoteView } from "./vote-view.js";

/** @typedef {import("./ask.js").Run} Run */
/** @typedef {import("./ask.js").ReasonFrame} ReasonFrame */

const askButton = byId("ask", HTMLButtonElement);
const enoughButton = byId("enough", HTMLButtonElement);
const cancelButton = byId("cancel", HTMLButtonElement);
const copyButton = byId("copy", HTMLButtonElement);
const curl = byId("curl", HTMLElement);
const live = byId("live", HTMLElement);

/** Whether other clients need an API key; this page may not, if the browser is logged in. */
let needsKey = false;

const votes = new VoteView();
const samples = new SamplesView();
const ledger = new LedgerView();
const form = new QuestionForm({ onSubmit: start });
const key = new ApiKey({ onChange: () => pollServer() });
const pollServer = watchServer({
  key: () => key.value,
  onUnauthorized: () => key.ask(),
  onModel({ max_samples: most, needsKey: wanted }) {
    key.keep();
    needsKey = wanted;
    byId("samples", HTMLInputElement).title = `1 to ${most}`;
  },
});

/** @type {Run | null} */
let running = null;

async function start() {
  if (running !== null) return;
  const question = form.read();
  form.clearError();
  byId("intro", HTMLElement).hidden = true;
  live.hidden = false;
  live.setAttribute("aria-busy", "true");
  votes.start(
    /** @type {import("./vote-view.js").Choices} as form.read gives them */ (question.choices ?? []),
  );
  samples.start(0);
  ledger.clear();
  showCurl(question);

  running = ask(
    { ...question, return_samples: true },
    { key: key.value, onFrame: (frame) => show(frame, question) },
  );
  showButtons(false);
  try {
    await running.done;
  } catch (error) {
    fail(error);
  }
  samples.halt();
  running = null;
  live.removeAttribute("aria-busy");
  showButtons(false);
}

/**
 * @param {ReasonFrame} frame
 * @param {Record<string, unknown>} question
 */
function show(frame, question) {
  switch (frame.type) {
    case "accepted":
      samples.start(frame.samples);
      votes.phase(frame.samples === 1 ? "Thinking…" : `${frame.samples} samples are thinking…`);
      showButtons(true);
      showRun();
      break;
    case "token":
      samples.append(frame.sample, frame.text);
      break;
    case "sample":
      samples.finish(frame.sample, frame.answer, frame.finish_reason);
      break;
    case "vote":
      votes.show(frame.votes, frame.remaining);
      break;
    case "result":
      votes.decide(frame, Number(question.samples ?? 1));
      samples.settle(frame.samples ?? [], frame.reasoning);
      ledger.show(frame);
      showCurl({ ...question, seed: frame.seed });
      break;
  }
}

/** @param {unknown} error */
function fail(error) {
  if (error instanceof ServerError && error.code === CANCELLED) return votes.phase("Cancelled");
  votes.phase("Not answered");
  const failure = error instanceof ServerError ? error : new ServerError(String(error));
  form.showError(failure);
  if (failure.status === 401) key.ask();
}

/** On narrow screens the answer is below the question, so scroll to it. */
function showRun() {
  const run = byId("run", HTMLElement);
  if (run.getBoundingClientRect().top > innerHeight / 2) run.scrollIntoView({ block: "start" });
}

/** @param {boolean} accepted */
function showButtons(accepted) {
  askButton.disabled = running !== null;
  cancelButton.disabled = running === null;
  enoughButton.disabled = !accepted || running?.canSettle() !== true;
}

/** @param {object} question */
function showCurl(question) {
  curl.textContent = curlLine(REASON_URL.href, question, needsKey || key.value !== null);
  copyButton.textContent = "Copy";
}

async function copy() {
  try {
    await navigator.clipboard.writeText(curl.textContent ?? "");
    copyButton.textContent = "Copied";
  } catch {
    // There is no clipboard API on pages from other hosts without HTTPS: select the text instead.
    getSelection()?.selectAllChildren(curl);
    copyButton.textContent = "Selected: press Ctrl+C";
  }
}

enoughButton.addEventListener("click", () => running?.enough());
cancelButton.addEventListener("click", () => running?.cancel());
copyButton.addEventListener("click", copy);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running !== null) running.cancel();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    void start();
  }
});
