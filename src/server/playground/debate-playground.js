// The script of the debate view: has agents debate the form's question, asks the student the same, and shows both.
import { ApiKey } from "./api-key.js";
import { ask, CANCELLED } from "./ask.js";
import { CostComparison } from "./cost-comparison.js";
import { DebatePanel } from "./debate-panel.js";
import { byId } from "./dom.js";
import { fetchAgents, holdDebate } from "./hold-debate.js";
import { dollars, number, sumOf } from "./numbers.js";
import { QuestionForm } from "./question-form.js";
import { ServerError } from "./server-error.js";
import { watchServer } from "./server-status.js";
import { VoteView } from "./vote-view.js";

/** @typedef {import("./hold-debate.js").DebateFrame} DebateFrame */
/** @typedef {import("./ask.js").ReasonFrame} ReasonFrame */

const askButton = byId("ask", HTMLButtonElement);
const stopButton = byId("cancel", HTMLButtonElement);
const live = byId("live", HTMLElement);
const studentError = byId("student-error", HTMLElement);

const panel = new DebatePanel();
const votes = new VoteView();
const costs = new CostComparison();
const form = new QuestionForm({ onSubmit: start });
const key = new ApiKey({ onChange: () => pollServer() });
const pollServer = watchServer({
  key: () => key.value,
  onUnauthorized: () => key.ask(),
  onModel({ max_samples: most }) {
    key.keep();
    byId("samples", HTMLInputElement).title = `1 to ${most}`;
    void showAgents();
  },
});

/** Whether the server has agents, as far as is known. */
let hasAgents = true;
/** @type {{ cancel(): void }[]} what runs */
let running = [];

async function showAgents() {
  /** @type {import("./hold-debate.js").AgentList | null} */
  let agents;
  try {
    agents = await fetchAgents(key.value);
  } catch {
    return; // The debate's own error will say what is wrong.
  }
  hasAgents = agents !== null && agents.data.length > 0;
  byId("no-agents", HTMLElement).hidden = hasAgents;
  showButtons();
  if (agents === null || !hasAgents) return;
  const names = agents.data.map(({ name, model }) =>
    model === null || model === name ? name : `${name} (${model})`,
  );
  const { usd_left: usd, tokens_left: left } = agents.budget;
  const budget = [
    ...(usd === null ? [] : [dollars(usd)]),
    ...(left === null ? [] : [`${number(left)} tokens`]),
  ];
  const most = `at most ${agents.rounds} ${agents.rounds === 1 ? "round" : "rounds"} after each answered alone`;
  byId("agents", HTMLElement).textContent =
    `The agents are ${names.join(", ")}; ${most}.${budget.length === 0 ? "" : ` Left for today: ${budget.join(" and ")}.`}`;
  byId("rounds", HTMLInputElement).placeholder = String(agents.rounds);
  const rights = byId("rights", HTMLElement);
  rights.textContent = 'This API key may not hold debates: it lacks the right "debate".';
  rights.hidden = agents.allowed;
}

async function start() {
  if (running.length > 0 || !hasAgents) return;
  const { samples, rounds, vote, ...question } = form.read();
  form.clearError();
  byId("intro", HTMLElement).hidden = true;
  live.hidden = false;
  live.setAttribute("aria-busy", "true");
  panel.start(question);
  costs.clear();
  votes.start(
    /** @type {import("./vote-view.js").Choices} as the form gives them */ (question.choices ?? []),
  );
  studentError.hidden = true;

  const debate = holdDebate(
    { ...question, vote, ...(rounds === undefined ? {} : { rounds }) },
    { key: key.value, onFrame: showDebate },
  );
  const student = ask(
    { ...question, ...(samples === undefined ? {} : { samples }) },
    { key: key.value, onFrame: (frame) => showStudent(frame, Number(samples ?? 1)) },
  );
  running = [debate, student];
  showButtons();
  await Promise.all([debate.done.catch(failDebate), student.done.catch(failStudent)]);
  panel.halt();
  running = [];
  live.removeAttribute("aria-busy");
  showButtons();
  void showAgents();
}

/** @param {DebateFrame} frame */
function showDebate(frame) {
  panel.show(frame);
  if (frame.type === "debate") showRun();
  if (frame.type === "node") {
    const nodes = panel.view?.nodes ?? [];
    const counts = nodes.map(
      ({ promptTokens, completionTokens }) => (promptTokens ?? 0) + (completionTokens ?? 0),
    );
    costs.showDebate({ tokens: sumOf(counts) ?? 0, usd: sumOf(nodes.map(({ usd }) => usd)) }, false);
  }
  if (frame.type === "debate_result") {
    costs.showDebate({ tokens: frame.usage.total_tokens, usd: frame.usage.usd }, true);
  }
}

/**
 * @param {ReasonFrame} frame
 * @param {number} samples
 */
function showStudent(frame, samples) {
  if (frame.type === "accepted") {
    votes.phase(frame.samples === 1 ? "Thinking…" : `${frame.samples} samples are thinking…`);
  } else if (frame.type === "vote") {
    votes.show(frame.votes, frame.remaining);
  } else if (frame.type === "result") {
    votes.decide(frame, samples);
    costs.showStudent(frame.usage.total_tokens);
  }
}

/** @param {unknown} error */
function failDebate(error) {
  panel.halt();
  if (error instanceof ServerError && error.code === CANCELLED) return panel.phase("Stopped");
  panel.phase("No debate");
  const failure = error instanceof ServerError ? error : new ServerError(String(error));
  form.showError(failure);
  if (failure.status === 401) key.ask();
}

/** @param {unknown} error */
function failStudent(error) {
  if (error instanceof ServerError && error.code === CANCELLED) return votes.phase("Stopped");
  votes.phase("Not answered");
  studentError.textContent = error instanceof Error ? error.message : String(error);
  studentError.hidden = false;
}

/** On narrow screens the debate is below the question, so scroll to it. */
function showRun() {
  const run = byId("run", HTMLElement);
  if (run.getBoundingClientRect().top > innerHeight / 2) run.scrollIntoView({ block: "start" });
}

function showButtons() {
  askButton.disabled = running.length > 0 || !hasAgents;
  stopButton.disabled = running.length === 0;
}

function stop() {
  for (const one of running) one.cancel();
}

stopButton.addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    void start();
  }
});
