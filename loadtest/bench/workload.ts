// The workload of every subject of the benchmark, and its result.

/** Prompts are token ids, so that every subject computes the same work. Every sample has exactly `maxTokens`. */
export interface Workload {
  readonly prompts: readonly (readonly number[])[];
  /** Samples of each prompt. */
  readonly samples: number;
  readonly maxTokens: number;
  /** 0 is greedy; else top_k 50 and top_p 0.9 apply too. */
  readonly temperature: number;
}

export interface WorkloadTime {
  /** From submission to the first token of any sample. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
  readonly tokens: number;
}

/** One engine that is measured, in a process of its own. */
export interface Subject {
  run(workload: Workload): Promise<WorkloadTime>;
  close(): Promise<void>;
}

export interface SubjectOptions {
  /** The student folder; for llama.cpp's a GGUF file. */
  readonly model: string;
  readonly dtype: string;
  readonly threads: number;
  /** Rows or sequences that run at the same time. */
  readonly rows: number;
  readonly contextLength: number;
  /** Of our engine; the processor where there is none. */
  readonly device?: string;
}

export type OpenSubject = (options: SubjectOptions) => Promise<Subject>;

/** Tokens after the first of each sample, over the time after the first. */
export function decodeRate({ tokens, totalMs, firstTokenMs }: WorkloadTime, sequences: number): number {
  return (1000 * (tokens - sequences)) / (totalMs - firstTokenMs);
}
