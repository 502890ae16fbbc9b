// A tensor on the host that ONNX Runtime reads and writes in place: a typed array and the OrtValue over it.

import { MagdiError } from "../base/errors.ts";
import { DATA_TYPES, type DataType } from "../tensor/onnx-type.ts";
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

/** What a session's input or output can be bound to: a tensor on the host or on a device. */
export interface Tensor {
  readonly type: DataType;
  readonly shape: readonly number[];
  /** @throws MAGDI_RUNTIME after its release. */
  readonly handle: Pointer;
  /** Bytes that a session on a device copies from or to the host for this input or output. */
  readonly hostBytes: number;
  /** Idempotent. */
  release(): void;
}

export class OrtTensor<T extends DataType = DataType> implements Tensor {
  readonly type: T;
  readonly shape: readonly number[];
  /** The values. They live as long as this object: keep a reference to it while a session runs with it. */
  readonly data: ArrayOf[T];
  #handle: Pointer;

  /** Over the caller's memory: `data` must have been made over an explicit ArrayBuffer, as for addressOf.
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

/** A shape as the C API takes it. */
export function dimensions(shape: readonly number[]): BigInt64Array {
  const sizes = new BigInt64Array(new ArrayBuffer(Math.max(shape.length, 1) * 8));
  shape.forEach((size, axis) => {
    sizes[axis] = BigInt(size);
  });
  return sizes;
}
