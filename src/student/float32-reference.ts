// The float32 export during an import, by which other dtypes are measured.

import { rmSync } from "node:fs";
import path from "node:path";
import type { BaseModel } from "./base-model.ts";
import type { ImportProgress } from "./open-base.ts";
import { type Written, writeDtype } from "./write-dtype.ts";

export interface ReferenceOptions {
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** The student's own fp32 export if it is already written, else a temporary one, made on first use. */
export class Float32Reference {
  readonly #base: BaseModel;
  readonly #partial: string;
  readonly #written: readonly Written[];
  readonly #options: ReferenceOptions;
  #temporary: Written | null = null;

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
    this.#temporary ??= await writeDtype(this.#base, this.#folder, "fp32", this.#options);
    return this.#temporary;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
