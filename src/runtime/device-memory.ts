// Memory on a device, and tensors in it: inputs and outputs that are bound to them are not copied to or from the host.

import { MagdiError } from "../base/errors.ts";
import { DATA_TYPES, FLOAT_BYTES, type FloatType } from "../tensor/onnx-type.ts";
import type { Device } from "./device-name.ts";
import { OrtLibrary, type Pointer } from "./ort-library.ts";
import { dimensions, type Tensor } from "./ort-tensor.ts";

/** CreateMemoryInfo's names for the devices' memory. */
const MEMORY_NAMES: Readonly<Record<Exclude<Device, "cpu">, string>> = {
  webgpu: "WebGPU_Buf",
  cuda: "Cuda",
};
const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** The allocator of a session's device. */
export class DeviceMemory {
  readonly #info: Pointer;
  readonly #allocator: Pointer;
  #released = false;

  /** @throws MAGDI_RUNTIME on the CPU, whose memory is the host's. */
  constructor(session: Pointer, device: Device) {
    if (device === "cpu") throw new MagdiError("MAGDI_RUNTIME", "the CPU has no memory but the host's");
    const library = OrtLibrary.load();
    const [deviceAllocator, firstDevice, defaultMemory] = [0, 0, 0];
    this.#info = library.create(
      "CreateMemoryInfo",
      MEMORY_NAMES[device],
      deviceAllocator,
      firstDevice,
      defaultMemory,
    );
    this.#allocator = library.create("CreateAllocator", session, this.#info);
  }

  /** An uninitialised tensor. @throws MAGDI_RUNTIME when the device is out of memory. */
  allocate(type: FloatType, shape: readonly number[]): DeviceTensor {
    const library = OrtLibrary.load();
    const handle = library.create(
      "CreateTensorAsOrtValue",
      this.#allocator,
      dimensions(shape),
      shape.length,
      DATA_TYPES[type],
    );
    return new DeviceTensor(type, shape, handle, this.#info);
  }

  /** Call it after all tensors were released. Idempotent. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    OrtLibrary.load().release("ReleaseAllocator", this.#allocator);
    OrtLibrary.load().release("ReleaseMemoryInfo", this.#info);
  }
}

export class DeviceTensor implements Tensor {
  readonly type: FloatType;
  readonly shape: readonly number[];
  readonly hostBytes = 0;
  readonly #info: Pointer;
  #handle: Pointer;

  constructor(type: FloatType, shape: readonly number[], handle: Pointer, info: Pointer) {
    this.type = type;
    this.shape = shape;
    this.#handle = handle;
    this.#info = info;
  }

  get handle(): Pointer {
    if (this.#handle === 0n) throw new MagdiError("MAGDI_RUNTIME", "a tensor was used after its release");
    return this.#handle;
  }

  /** A view of the same memory, from its start, in another shape of at most as many elements. Release it before this
   * tensor. @throws MAGDI_RUNTIME when the shape has more elements. */
  view(shape: readonly number[]): DeviceTensor {
    if (elements(shape) > elements(this.shape)) {
      const [here, asked] = [this.shape.join(", "), shape.join(", ")];
      throw new MagdiError("MAGDI_RUNTIME", `a tensor [${here}] has no room for a view [${asked}]`);
    }
    const library = OrtLibrary.load();
    const handle = library.create(
      "CreateTensorWithDataAsOrtValue",
      this.#info,
      library.create("GetTensorMutableData", this.handle),
      elements(this.shape) * FLOAT_BYTES[this.type],
      dimensions(shape),
      shape.length,
      DATA_TYPES[this.type],
    );
    return new DeviceTensor(this.type, shape, handle, this.#info);
  }

  release(): void {
    if (this.#handle === 0n) return;
    OrtLibrary.load().release("ReleaseValue", this.#handle);
    this.#handle = 0n;
  }
}
