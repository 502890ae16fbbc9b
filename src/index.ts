// What the package exports as magdi: a student in this process, without a server.

export type { Choice, Task } from "./answers/task.ts";
export type { AskEvent, AskRecord } from "./asking/ask.ts";
export type { AskedQuestion } from "./asking/question.ts";
export type { Run } from "./asking/run.ts";
export {
  type GeneratedText,
  type GenerateEvent,
  type GenerateOptions,
  type GenerateResult,
  openStudent,
  type Student,
  type StudentEvent,
} from "./asking/student.ts";
export { type ErrorCode, MagdiError } from "./base/errors.ts";
export type { CancelReason, FinishReason } from "./base/finish-reason.ts";
export type { EngineSettings } from "./engine/engine-settings.ts";
export type { Vote, VoteRule } from "./voting/vote.ts";
