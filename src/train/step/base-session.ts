// A base's weights in floats on disk while graphs use them, and the sessions of those graphs, which share one mapped
// copy. It knows no graph.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { OTHER_SCRATCH, writing, writingMeanwhile } from "../../base/files/disk-refusal.ts";
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
import { FLOAT_BYTES } from "../../tensor/data-type.ts";

export interface BaseSessionOptions {
  /** Which holds the base's weights; what else goes in or out is copied. Default cpu. */
  readonly device?: Device;
  /** What the weights are kept in. Default fp32. */
  readonly dtype?: "fp32" | "fp16";
  /** Threads of the device; without it, what it chooses. */
  readonly threads?: number;
  /** Where the base's weights lie meanwhile; without it, the system's folder for such files. */
  readonly scratchFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Folders to remove should the process end before their sessions are closed. */
const FOLDERS = new Set<string>();
const removeAll = (): void => {
  for (const folder of FOLDERS) rmSync(folder, { recursive: true, force: true });
};

export class BaseSessions {
  readonly config: DecoderConfig;
  readonly #folder: string;
  /** What to do where the folder takes no more. */
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
    const remedy = `the copy of the base that is computed with takes ${(sizeBytes / 1e6).toFixed(1)} MB: ${OTHER_SCRATCH}`;
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

  /** Puts the weights into a graph. */
  readonly load: WeightLoader = (g) => this.#weights!.load(g); // written before anybody gets hold of this

  /** @throws MAGDI_RUNTIME when the device refuses the graph, MAGDI_NOT_WRITTEN. */
  async open(label: string, model: Model): Promise<Session> {
    const file = path.join(this.#folder, `${this.#sessions.length}.onnx`);
    writing(path.dirname(this.#folder), () => writeFileSync(file, encodeModel(model)), this.#remedy);
    const session = await Session.open(file, {
      label,
      device: this.#device,
      ...(this.#threads === undefined ? {} : { threads: this.#threads }),
      // Every batch has a shape of its own.
      memoryPattern: false,
      config: {
        // The weights stay where they are mapped: one copy for all sessions.
        "session.disable_prepacking": "1",
        // It would merge what is computed a second time, to save memory, with the first.
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
