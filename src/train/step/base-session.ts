// Sessions over a base: its weights are written to disk in floats, and all sessions map the same copy. It does not know what
// their graphs compute.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { OTHER_SCRATCH, writing, writingMeanwhile } from "../../base/files/write-errors.ts";
import type { DecoderConfig } from "../../nn/decoder-config.ts";
import { expectedTensors } from "../../nn/decoder-config.ts";
import type { WeightLoader } from "../../nn/serving-graph.ts";
import { encodeModel } from "../../onnx/encode.ts";
import { elementsOf, type Model } from "../../onnx/graph.ts";
import type { Device } from "../../runtime/device-name.ts";
import { Session } from "../../runtime/session.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { floatsOf } from "../../student/dtype.ts";
import { StoredWeights } from "../../student/stored-weights.ts";
import { WeightFiles } from "../../student/weight-files.ts";
import { FLOAT_BYTES } from "../../tensor/onnx-type.ts";

export interface BaseSessionOptions {
  /** The device of the sessions; batches and results are copied to and from it. Default cpu. */
  readonly device?: Device;
  /** The format of the weights. Default fp32. */
  readonly dtype?: "fp32" | "fp16";
  /** Threads; by default ONNX Runtime chooses. */
  readonly threads?: number;
  /** Where the weights are written; by default the system's temporary folder. */
  readonly scratchFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Folders to remove when the process ends before their sessions are closed. */
const FOLDERS = new Set<string>();
const removeAll = (): void => {
  for (const folder of FOLDERS) rmSync(folder, { recursive: true, force: true });
};

export class BaseSessions {
  readonly config: DecoderConfig;
  readonly #folder: string;
  /** What to do when the folder cannot be written, for the error message. */
  readonly #remedy: string;
  readonly #device: Device;
  readonly #threads: number | undefined;
  #weights: StoredWeights | null = null;
  readonly #sessions: Session[] = [];

  private constructor(config: DecoderConfig, folder: string, remedy: string, options: BaseSessionOptions) {
    this.config = config;
    this.#remedy = remedy;
    this.#device = options.device ?? "cpu";
    this.#folder = folder;
    this.#threads = options.threads;
  }

  /** Writes the weights; the base may be closed afterwards. @throws MAGDI_BAD_FILE for numbers that are not finite,
   * MAGDI_UNSUPPORTED for those that are beyond float16, MAGDI_NOT_WRITTEN. */
  static async write(base: BaseModel, options: BaseSessionOptions): Promise<BaseSessions> {
    const { dtype = "fp32", scratchFolder: parent = tmpdir(), onProgress = () => {} } = options;
    const parameters = [...expectedTensors(base.config).values()].reduce(
      (sum, shape) => sum + elementsOf(shape),
      0,
    );
    const sizeBytes = parameters * FLOAT_BYTES[floatsOf(dtype)];
    const remedy = `the working copy of the base takes ${(sizeBytes / 1e6).toFixed(1)} MB: ${OTHER_SCRATCH}`;
    const folder = writing(parent, () => mkdtempSync(path.join(parent, "magdi-base-")), remedy);
    const sessions = new BaseSessions(base.config, folder, remedy, options);
    if (FOLDERS.size === 0) process.once("exit", removeAll);
    FOLDERS.add(folder);
    const files = new WeightFiles(folder, "base", sizeBytes);
    try {
      sessions.#weights = await writingMeanwhile(
        parent,
        () => StoredWeights.write(base, dtype, files, { inputs: null, onProgress }),
        remedy,
      );
      return sessions;
    } catch (error) {
      sessions.close();
      throw error;
    } finally {
      files.close();
    }
  }

  /** Adds the weights to a graph. */
  readonly load: WeightLoader = (g) => this.#weights!.load(g); // set by write(), the only way to get an instance

  /** @throws MAGDI_RUNTIME when the device refuses the graph, MAGDI_NOT_WRITTEN. */
  async open(label: string, model: Model): Promise<Session> {
    const file = path.join(this.#folder, `${this.#sessions.length}.onnx`);
    writing(path.dirname(this.#folder), () => writeFileSync(file, encodeModel(model)), this.#remedy);
    const session = await Session.open(file, {
      label,
      device: this.#device,
      ...(this.#threads === undefined ? {} : { threads: this.#threads }),
      // Shapes differ from batch to batch.
      memoryPattern: false,
      config: {
        // Prepacking would copy the mapped weights for each session.
        "session.disable_prepacking": "1",
        // It would merge recomputed activations with the first computation.
        "optimization.disable_specified_optimizers": "CommonSubexpressionElimination",
      },
    });
    this.#sessions.push(session);
    return session;
  }

  /** Closes the sessions and removes the files. Idempotent. @throws MAGDI_RUNTIME while a session runs. */
  close(): void {
    for (const session of this.#sessions) session.close();
    rmSync(this.#folder, { recursive: true, force: true });
    FOLDERS.delete(this.#folder);
    if (FOLDERS.size === 0) process.removeListener("exit", removeAll);
  }
}
