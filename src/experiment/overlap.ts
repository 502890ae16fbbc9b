// Questions that a student would be asked although it learned them.

import { readMags } from "../mag/mag-file.ts";
import { questionKey } from "../mag/question-split.ts";
import { type ExperimentPlan, toMake, unanswered } from "./plan.ts";

/** A sentence for each row and task of the students that are to be made. @throws as reading MAGs does */
export async function learnedQuestions(plan: ExperimentPlan): Promise<string[]> {
  const read = new Map<string, Promise<Set<string>>>();
  const keysIn = (file: string): Promise<Set<string>> => {
    const known = read.get(file) ?? questionsIn(file);
    read.set(file, known);
    return known;
  };
  const told = new Set<string>();
  for (const student of toMake(plan)) {
    if (student.settings.dataFormat === "chat") continue;
    const learned = await Promise.all(student.settings.data.map(keysIn));
    for (const { row, task, files } of unanswered(plan, student)) {
      const questions = files.flatMap((file) => file.questions);
      const both = questions.filter((one) => learned.some((keys) => keys.has(questionKey(one)))).length;
      if (both === 0) continue;
      told.add(
        `row ${row}: ${both} of ${questions.length} questions of ${task} are in its training data: what it is right on there says little`,
      );
    }
  }
  return [...told];
}

async function questionsIn(file: string): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const mag of readMags(file, { use: "train" })) keys.add(questionKey(mag));
  return keys;
}
