// The float32 export of a base that is imported, which other dtypes are balanced and measured by.

import { rmSync } from "node:fs";
import path from "node:path";
import { usableProcessors } from "../runtime/usable-processors.ts";
import type { BaseModel } from "./base-model.ts";
import { inputMaxima } from "./calibration.ts";
import type { ImportProgress } from "./open-base.ts";
import { smoothed } from "./smooth-quant.ts";
import { type Written, writeDtype } from "./written-dtype.ts";

export interface ReferenceOptions {
  /** Without it, as many as there are processors to use. */
  readonly threads?: number;
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** The float32 export that others are balanced and measured by: the student's own where it is written already, else
 * one for the time being, made when it is first asked for. */
export class Float32Reference {
  readonly #base: BaseModel;
  readonly #partial: string;
  readonly #written: readonly Written[];
  readonly #options: ReferenceOptions;
  #own: Written | null = null;

  constructor(base: BaseModel, partial: string, written: readonly Written[], options: ReferenceOptions) {
    this.#base = base;
    this.#partial = partial;
    this.#written = written;
    this.#options = options;
  }

  get #folder(): string {
    return path.join(this.#partial, ".reference");
  }

  async float32(): Promise<Written> {
    const written = this.#written.find(({ dtype }) => dtype === "fp32");
    if (written !== undefined) return written;
    this.#own ??= await writeDtype(this.#base, this.#folder, "fp32", this.#options);
    return this.#own;
  }

  /** The base with its inputs balanced; as it is where it has no tokenizer to read texts with. */
  async balanced(): Promise<BaseModel> {
    if (!this.#base.textFiles.has("tokenizer.json")) return this.#base;
    const { load, engineGraph } = await this.float32();
    const maxima = await inputMaxima(this.#base.config, {
      textFolder: this.#partial,
      graphFolder: path.dirname(engineGraph),
      load,
      threads: this.#options.threads ?? usableProcessors(),
      onProgress: (done, total) =>
        this.#options.onProgress?.({ stage: "reading calibration texts", done, total }),
    });
    return smoothed(this.#base, maxima);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
