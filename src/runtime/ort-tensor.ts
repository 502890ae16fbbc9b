// A tensor that ONNX Runtime reads and writes in place: a typed array of ours and the OrtValue over it. It knows
// no names and no sessions.

import { MagdiError } from "../base/errors.ts";
import { DATA_TYPES, type DataType } from "../tensor/data-type.ts";
import { OrtLibrary, type Pointer } from "./ort-library.ts";

type ArrayOf = {
  float32: Float32Array;
  uint8: Uint8Array;
  int8: Int8Array;
  int32: Int32Array;
  int64: BigInt64Array;
  bool: Uint8Array;
  float16: Uint16Array;
  float64: Float64Array;
};

const CONSTRUCTORS = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  float64: Float64Array,
} as const;

/** What a session's input or output can be bound to: memory of the host or of a device. */
export interface Tensor {
  readonly type: DataType;
  readonly shape: readonly number[];
  /** @throws MAGDI_RUNTIME after its release. */
  readonly handle: Pointer;
  /** What a session on a device copies from or to the host when this is its input or output. */
  readonly hostBytes: number;
  /** Idempotent. */
  release(): void;
}

export class OrtTensor<T extends DataType = DataType> implements Tensor {
  readonly type: T;
  readonly shape: readonly number[];
  /** The values; alive as long as this object, which whoever runs a session with it must hold. */
  readonly data: ArrayOf[T];
  #handle: Pointer;

  /** Over memory of the caller: `data` must have been made over an explicit ArrayBuffer.
   * @throws MAGDI_RUNTIME when shape and length disagree. */
  constructor(type: T, shape: readonly number[], data: ArrayOf[T]) {
    const count = shape.reduce((product, size) => product * size, 1);
    if (count !== data.length) {
      throw new MagdiError(
        "MAGDI_RUNTIME",
        `a tensor of shape [${shape.join(", ")}] holds ${count} values, found an array of ${data.length}`,
      );
    }
    this.type = type;
    this.shape = shape;
    this.data = data;
    const library = OrtLibrary.load();
    this.#handle = library.create(
      "CreateTensorWithDataAsOrtValue",
      library.cpuMemoryInfo,
      data,
      data.byteLength,
      dimensions(shape),
      shape.length,
      DATA_TYPES[type],
    );
  }

  /** A new tensor of zeros. */
  static zeros<T extends DataType>(type: T, shape: readonly number[]): OrtTensor<T> {
    const count = shape.reduce((product, size) => product * size, 1);
    const construct = CONSTRUCTORS[type];
    const buffer = new ArrayBuffer(count * construct.BYTES_PER_ELEMENT);
    // The constructor table is keyed by the same T that ArrayOf is.
    return new OrtTensor(type, shape, new construct(buffer) as ArrayOf[T]);
  }

  get hostBytes(): number {
    return this.data.byteLength;
  }

  get handle(): Pointer {
    if (this.#handle === 0n) throw new MagdiError("MAGDI_RUNTIME", "a tensor was used after its release");
    return this.#handle;
  }

  /** Frees the OrtValue; the typed array stays. Idempotent. */
  release(): void {
    if (this.#handle === 0n) return;
    OrtLibrary.load().release("ReleaseValue", this.#handle);
    this.#handle = 0n;
  }
}

/** A shape as the library takes it. */
export function dimensions(shape: readonly number[]): BigInt64Array {
  const sizes = new BigInt64Array(new ArrayBuffer(Math.max(shape.length, 1) * 8));
  shape.forEach((size, axis) => {
    sizes[axis] = BigInt(size);
  });
  return sizes;
}
