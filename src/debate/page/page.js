// The script of a debate's page: draws the debate that lies in the page as JSON. debate-html.ts puts it behind the scripts
// that it imports.
import { DebateGraph } from "../../server/playground/debate-graph.js";
import { costTable, legendOf, questionParts, votesOf } from "../../server/playground/debate-summary.js";
import { byId, element } from "../../server/playground/dom.js";

/** @type {import("./debate-view.ts").DebateView} */
const view = JSON.parse(byId("debate", HTMLScriptElement).text);
document.title = `${view.benchmark} ${view.id} – a debate`;
byId("name", HTMLElement).textContent = `${view.benchmark} ${view.id} · ${view.task}`;
byId("outcome", HTMLElement).textContent = outcomeOf(view);
byId("question", HTMLElement).append(...questionParts(view));
byId("legend", HTMLElement).append(legendOf(view));
byId("votes", HTMLElement).append(votesOf(view));
const graph = new DebateGraph(view);
byId("graph", HTMLElement).append(graph.root);
graph.showAll();
byId("cost", HTMLElement).append(costTable(view) ?? element("p", { textContent: "Not recorded." }));

/** @param {import("./debate-view.ts").DebateView} view */
function outcomeOf({ nodes, missing, consensus, agents }) {
  const last = Math.max(0, ...nodes.map(({ round }) => round), ...missing.map(({ round }) => round));
  const rounds = last === 0 ? "answered alone" : `spoke in ${last + 1} rounds`;
  return `${agents.length} agents ${rounds} and ${consensus ? "agree" : "do not agree"}.`;
}
