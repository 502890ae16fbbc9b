// The convincing samples of a debate for a command: read, and what is missing of them said.

import { MagdiError } from "../base/errors.ts";
import { readAgents } from "../debate/agents-file.ts";
import { ConvincingSamples } from "../debate/convincing-samples.ts";
import type { ShownSamples } from "../debate/debate-prompts.ts";
import type { Question } from "../eval/question-formats.ts";

/**
 * Null without --convincing.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, and MAGDI_BAD_CONFIG when none would be shown
 */
export async function shownSamples(
  file: string | null,
  perAgent: number,
  agentsFile: string,
  questions: readonly Question[],
): Promise<ShownSamples | null> {
  if (file === null) return null;
  const samples = await ConvincingSamples.read(file, perAgent);
  const agents = readAgents(agentsFile).map(({ name }) => name);
  const areShown = questions.some((question) =>
    agents.some((agent) => samples.shownTo(agent, question, agents).length > 0),
  );
  if (!areShown) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${file}: expected samples of ${agents.join(", ")} for the data sets or tasks of the questions, found none`,
    );
  }
  for (const gap of samples.gaps(questions, agents)) process.stderr.write(`${file}: ${gap}\n`);
  return { samples, agents };
}
