// Sessions over a base: its weights are written to disk in floats, and all sessions map the same copy. It does not know what
// their graphs compute.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import { OTHER_SCRATCH, writing, writingMeanwhile } from "../../base/files/write-errors.ts";
import type { DecoderConfig } from "../../nn/decoder-config.ts";
import { expectedTensors } from "../../nn/decoder-config.ts";
import type { WeightLoader } from "../../nn/serving-graph.ts";
import { encodeModel } from "../../onnx/encode.ts";
import { elementsOf, type Model } from "../../onnx/graph.ts";
import type { Device } from "../../runtime/device-name.ts";
import { openKernels } from "../../runtime/native-kernels.ts";
import { Session } from "../../runtime/session.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { floatsOf } from "../../student/dtype.ts";
import { StoredWeights } from "../../student/stored-weights.ts";
import { WeightFiles } from "../../student/weight-files.ts";
import { FLOAT_BYTES } from "../../tensor/onnx-type.ts";
import type { BaseDtype } from "./base-dtype.ts";
import { writeQuantisedBase } from "./quantised-base.ts";

export interface BaseSessionOptions {
  /** The device of the sessions; batches and results are copied to and from it. Default cpu. */
  readonly device?: Device;
  /** The format of the weights. q8 needs our own operators, which compute on the CPU. Default fp32. */
  readonly dtype?: BaseDtype;
  /** Threads; by default ONNX Runtime chooses. */
  readonly threads?: number;
  /** Where the weights are written; by default the system's temporary folder. */
  readonly scratchFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A parameter in blocks of 8 bits with a scale each, and again transposed. */
const TWICE_Q8_BYTES = 2.25;

/** @throws MAGDI_UNSUPPORTED where our own operators do not run */
function libraryFor(device: Device): string {
  const kernels = openKernels();
  if (device === "cpu" && kernels.kind === "native") return kernels.libraryPath;
  const found = kernels.kind === "native" ? `the device ${device}` : kernels.reason;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `baseDtype q8: expected a CPU that our own operators compute on, found ${found}; use fp32, or fp16 on a device`,
  );
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
  readonly #operatorLibrary: string | null;
  #load: WeightLoader | null = null;
  readonly #sessions: Session[] = [];

  private constructor(config: DecoderConfig, folder: string, remedy: string, options: BaseSessionOptions) {
    this.config = config;
    this.#remedy = remedy;
    this.#device = options.device ?? "cpu";
    this.#folder = folder;
    this.#threads = options.threads;
    this.#operatorLibrary = options.dtype === "q8" ? libraryFor(this.#device) : null;
  }

  /** Writes the weights; the base may be closed afterwards. @throws MAGDI_BAD_FILE for numbers that are not finite,
   * MAGDI_UNSUPPORTED for those that are beyond float16, MAGDI_NOT_WRITTEN. */
  static async write(base: BaseModel, options: BaseSessionOptions): Promise<BaseSessions> {
    const { dtype = "fp32", scratchFolder: parent = tmpdir(), onProgress = () => {} } = options;
    const parameters = [...expectedTensors(base.config).values()].reduce(
      (sum, shape) => sum + elementsOf(shape),
      0,
    );
    const sizeBytes = parameters * (dtype === "q8" ? TWICE_Q8_BYTES : FLOAT_BYTES[floatsOf(dtype)]);
    const remedy = `the working copy of the base takes ${(sizeBytes / 1e6).toFixed(1)} MB: ${OTHER_SCRATCH}`;
    const folder = writing(parent, () => mkdtempSync(path.join(parent, "magdi-base-")), remedy);
    const sessions = new BaseSessions(base.config, folder, remedy, options);
    if (FOLDERS.size === 0) process.once("exit", removeAll);
    FOLDERS.add(folder);
    const files = new WeightFiles(folder, "base", sizeBytes);
    try {
      sessions.#load = await writingMeanwhile(
        parent,
        async () => {
          if (dtype === "q8") return writeQuantisedBase(base, files, onProgress);
          const weights = await StoredWeights.write(base, dtype, files, { inputs: null, onProgress });
          return (g) => weights.load(g);
        },
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
  readonly load: WeightLoader = (g) => this.#load!(g); // set by write(), the only way to get an instance

  /** @throws MAGDI_RUNTIME when the device refuses the graph, MAGDI_NOT_WRITTEN. */
  async open(label: string, model: Model): Promise<Session> {
    const file = path.join(this.#folder, `${this.#sessions.length}.onnx`);
    writing(path.dirname(this.#folder), () => writeFileSync(file, encodeModel(model)), this.#remedy);
    const session = await Session.open(file, {
      label,
      device: this.#device,
      ...(this.#threads === undefined ? {} : { threads: this.#threads }),
      ...(this.#operatorLibrary === null ? {} : { operatorLibrary: this.#operatorLibrary }),
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
