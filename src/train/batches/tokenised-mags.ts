// Tokenises MAGs: each node becomes a row of token ids, the student's own prompt and the node's completion. It knows no
// losses.

import { renderPrompt } from "../../asking/prompts.ts";
import { type Mag, type MagNode, withNodes } from "../../mag/mag-schema.ts";
import { encodeChat } from "../../text/chat-prompt.ts";
import type { ChatTemplate } from "../../text/chat-template.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { answerSentence, completionOf } from "./completion.ts";
import { missingNodes, withMissing } from "./missing-nodes.ts";
import { type RowLabel, rowsApart, type TrainingRow, type TrainingUnit } from "./training-unit.ts";

/** What a student's text is tokenised with. */
export interface StudentText {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** The token that ends an assistant's message, the last label of every completion: see endTokenOf. */
  readonly endTokenId: number;
  /** Whether the tokenizer has tokens that the base has no embedding of, and throws for texts with them. Default false. */
  readonly hasRowlessTokens?: boolean;
}

export interface TokeniseOptions {
  /** Tokens of a row at most, prompt and completion together. */
  readonly maxTokens: number;
  /** Longer rows: "cut" truncates the completion, whose rest and end token are then no labels; "drop" removes the node and
   * its edges from the graph. Default "cut". */
  readonly tooLong?: "cut" | "drop";
  /** Whether missing answers become nodes of a third class, as in the released code. Default false. */
  readonly missingNodes?: boolean;
}

export interface TokeniseCounts {
  /** Graphs, or conversations, of which at least one row is left. */
  items: number;
  /** Graphs left out because the prompt, which is never truncated, leaves fewer than MIN_COMPLETION tokens. */
  promptsTooLong: number;
  rowsCut: number;
  rowsDropped: number;
  /** Labels lost by truncation. */
  tokensCut: number;
  /** Nodes left out because no form of the final sentence gives their answer back. */
  unsayableAnswers: number;
  rows: number;
  tokens: number;
}

export const noCounts = (): TokeniseCounts => ({
  items: 0,
  promptsTooLong: 0,
  rowsCut: 0,
  rowsDropped: 0,
  tokensCut: 0,
  unsayableAnswers: 0,
  rows: 0,
  tokens: 0,
});

/** A completion shorter than this teaches nothing. */
export const MIN_COMPLETION = 8;

/**
 * Each graph as a unit of rows: the prompt as the server renders it, then a node's completion and the end token. What a question
 * or reasoning spells like a special token is tokenised as the text that it is, as in the server.
 */
export function tokeniseMags(
  mags: readonly Mag[],
  student: StudentText,
  options: TokeniseOptions,
): { units: TrainingUnit[]; counts: TokeniseCounts } {
  const tokenise = new RowTokeniser(student, options);
  const units = mags.flatMap((mag) => tokenise.graph(mag) ?? []);
  return { units, counts: tokenise.counts };
}

/** The two tasks of Distilling Step-by-Step: writing the whole chain, and the bare answer. */
export interface TwoTasks {
  readonly rationale: TrainingUnit[];
  readonly label: TrainingUnit[];
  readonly counts: TokeniseCounts;
}

/**
 * Units of one row each for Distilling Step-by-Step (Hsieh et al. 2023): for every right node its chain after the usual
 * prompt, and for every question the bare answer after a prompt that asks for the answer alone, unless that is too long.
 */
export function tokeniseTwoTasks(
  mags: readonly Mag[],
  student: StudentText,
  options: TokeniseOptions,
): TwoTasks {
  const tokenise = new RowTokeniser(student, options);
  const right = mags.flatMap((mag) => withNodes(mag, ({ label }) => label === 1) ?? []);
  const rationale = rowsApart(right.flatMap((mag) => tokenise.graph(mag) ?? []));
  const label = right.flatMap((mag): TrainingUnit[] => {
    const sentence = answerSentence(mag, mag.gold);
    // A truncated answer teaches nothing.
    const row = sentence === null ? null : tokenise.row(tokenise.prompt(mag, "answer"), sentence, 1, "drop");
    return row === null ? [] : [{ id: `${mag.id} answer`, rows: [row], edges: [] }];
  });
  return { rationale, label, counts: tokenise.counts };
}

/**
 * The token that ends an assistant's message: the first of `endTokenIds` that the template writes after one, or else
 * the first of all.
 * @throws RangeError when there is none
 */
export function endTokenOf(
  tokenizer: Tokenizer,
  chatTemplate: ChatTemplate,
  endTokenIds: Iterable<number>,
): number {
  const ends = [...endTokenIds];
  const [first] = ends;
  if (first === undefined) throw new RangeError("expected a student with an end token, found none");
  const said = "Q9Z";
  const text = chatTemplate.render(
    [
      { role: "user", content: "Hello" },
      { role: "assistant", content: said },
    ],
    { addGenerationPrompt: false },
  );
  const behind = tokenizer.encode(text.slice(text.lastIndexOf(said) + said.length), {
    addSpecialTokens: false,
  });
  return behind.find((id) => ends.includes(id)) ?? first;
}

class RowTokeniser {
  readonly counts = noCounts();
  readonly #student: StudentText;
  readonly #options: TokeniseOptions;

  constructor(student: StudentText, options: TokeniseOptions) {
    this.#student = student;
    this.#options = options;
  }

  graph(mag: Mag): TrainingUnit | null {
    const prompt = this.prompt(mag, "chain");
    if (prompt.length + MIN_COMPLETION > this.#options.maxTokens) {
      this.counts.promptsTooLong += 1;
      return null;
    }
    const rowOf = new Map<MagNode, TrainingRow>();
    const put = (node: MagNode, label: RowLabel): void => {
      const text = completionOf(mag, node);
      if (text === null) this.counts.unsayableAnswers += 1;
      const row = text === null ? null : this.row(prompt, text, label);
      if (row !== null) rowOf.set(node, row);
    };
    for (const node of mag.nodes) put(node, node.label);
    const missing = this.#options.missingNodes === true ? missingNodes(mag) : [];
    for (const node of missing) put(node, 2);
    const kept = withNodes(missing.length === 0 ? mag : withMissing(mag, missing), (node) => rowOf.has(node));
    if (kept === null) return null;
    this.counts.items += 1;
    return { id: mag.id, rows: kept.nodes.map((node) => rowOf.get(node)!), edges: kept.edges };
  }

  /** Null when it is too long and such rows are dropped. A row that is cut has a prompt that leaves room. */
  row(
    prompt: Int32Array,
    completion: string,
    label: RowLabel,
    tooLong = this.#options.tooLong,
  ): TrainingRow | null {
    const { tokenizer, endTokenId } = this.#student;
    const quoted = tokenizer.quoteSpecial(completion);
    const ids = tokenizer.encode(quoted, { addSpecialTokens: false, quoted: true });
    const room = this.#options.maxTokens - prompt.length;
    const fits = ids.length + 1 <= room;
    if (!fits && tooLong === "drop") {
      this.counts.rowsDropped += 1;
      return null;
    }
    if (!fits) {
      this.counts.rowsCut += 1;
      this.counts.tokensCut += ids.length + 1 - room;
    }
    const taught = fits ? Int32Array.of(...ids, endTokenId) : ids.subarray(0, room);
    this.counts.rows += 1;
    this.counts.tokens += prompt.length + taught.length;
    return { tokenIds: Int32Array.of(...prompt, ...taught), promptLength: prompt.length, label };
  }

  /** The prompt's tokens; the one that asks for a chain is the server's own. */
  prompt(mag: Mag, asksFor: "chain" | "answer"): Int32Array {
    const [message] = renderPrompt({
      task: mag.task,
      question: mag.question,
      choices: mag.choices,
      passage: mag.passage,
    });
    // The instruction is the last paragraph.
    const content =
      asksFor === "chain"
        ? message.content
        : `${message.content.slice(0, message.content.lastIndexOf("\n\n"))}\n\nGive no reasons. ${ANSWER_ALONE}`;
    return encodeChat(this.#student, [{ role: "user", content }]);
  }
}

const ANSWER_ALONE = 'Write only the sentence "The answer is" followed by the answer.';
