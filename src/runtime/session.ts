// An ONNX Runtime session over one graph, and bindings of its named inputs and outputs to tensors that every run uses
// again.

import { MagdiError } from "../base/errors.ts";
import { DATA_TYPES, type DataType } from "../tensor/onnx-type.ts";
import { DeviceMemory } from "./device-memory.ts";
import type { Device } from "./device-name.ts";
import { addProvider } from "./execution-provider.ts";
import { NativeNames, OrtLibrary, type Pointer } from "./ort-library.ts";
import type { Tensor } from "./ort-tensor.ts";

export interface SessionOptions {
  /** Named in every error, so that a failing step says which graph it was. */
  readonly label: string;
  /** Operators that have no kernel there run on the CPU. Default cpu. */
  readonly device?: Device;
  /** Limit of the session's allocator on CUDA; without effect on other devices. */
  readonly memoryLimitBytes?: number;
  readonly threads?: number;
  readonly optimise?: boolean;
  /** Off saves memory on graphs whose shapes change with every run. */
  readonly memoryPattern?: boolean;
  /** A library of custom operators that the graph uses. */
  readonly operatorLibrary?: string;
  /** Session configuration entries by ONNX Runtime's own keys. */
  readonly config?: Readonly<Record<string, string>>;
}

/** "…while running MatMul node. Name:'layers.3.q' Status Message: shapes…" → the parts that a reader needs. */
function explain(label: string, error: unknown): MagdiError {
  const text = error instanceof Error ? error.message : String(error);
  const match = /while running (\S+) node\. Name:'([^']*)' Status Message: ([\s\S]*)/.exec(text);
  const message = match
    ? `session ${label}: operator ${match[1]}, node ${match[2]}: ${match[3]?.trim()}`
    : `session ${label}: ${text}`;
  return new MagdiError("MAGDI_RUNTIME", message, { cause: error });
}

/** Named tensors as the native call takes them: arrays of names and of handles, in one order. */
class NamedTensors {
  readonly names: NativeNames;
  readonly handles: BigUint64Array;
  /** Keeps the memory behind the handles reachable. */
  readonly #tensors: readonly Tensor[];

  constructor(tensors: Readonly<Record<string, Tensor>>) {
    this.names = new NativeNames(Object.keys(tensors));
    this.#tensors = Object.values(tensors);
    this.handles = new BigUint64Array(new ArrayBuffer(Math.max(this.count, 1) * 8));
    this.refresh();
  }

  get count(): number {
    return this.#tensors.length;
  }

  get hostBytes(): number {
    return this.#tensors.reduce((sum, tensor) => sum + tensor.hostBytes, 0);
  }

  /** @throws MAGDI_RUNTIME when one of the tensors was released. */
  refresh(): void {
    this.#tensors.forEach((tensor, index) => {
      this.handles[index] = tensor.handle;
    });
  }
}

/** Inputs and outputs of a session, bound once for many runs. The caller owns the tensors, and must not release them
 * during a run. */
export class Binding {
  readonly inputs: NamedTensors;
  readonly outputs: NamedTensors;
  /** Bytes that a run on a device copies from the host and back. */
  readonly hostBytes: number;

  constructor(inputs: Readonly<Record<string, Tensor>>, outputs: Readonly<Record<string, Tensor>>) {
    this.inputs = new NamedTensors(inputs);
    this.outputs = new NamedTensors(outputs);
    this.hostBytes = this.inputs.hostBytes + this.outputs.hostBytes;
  }
}

export class Session {
  readonly label: string;
  readonly device: Device;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  #handle: Pointer;
  /** The binding of the run in flight, kept reachable until the native call has returned. */
  #running: Binding | null = null;
  #transferredBytes = 0;

  private constructor(handle: Pointer, label: string, device: Device) {
    this.#handle = handle;
    this.label = label;
    this.device = device;
    const library = OrtLibrary.load();
    const names = (kind: "Input" | "Output"): string[] =>
      Array.from({ length: Number(library.create(`SessionGet${kind}Count`, handle)) }, (_, index) =>
        library.takeString(library.create(`SessionGet${kind}Name`, handle, index, library.allocator)),
      );
    this.inputNames = names("Input");
    this.outputNames = names("Output");
  }

  /** Opens a graph file (its external data beside it) or a graph in memory, on a thread of libuv's pool.
   * @throws MAGDI_RUNTIME with the label when the graph cannot be loaded, MAGDI_UNSUPPORTED when the device cannot be
   * used. */
  static async open(graph: string | Uint8Array, options: SessionOptions): Promise<Session> {
    const library = OrtLibrary.load();
    const settings = library.create("CreateSessionOptions");
    try {
      library.call("SetSessionLogId", settings, options.label);
      if (options.threads !== undefined) library.call("SetIntraOpNumThreads", settings, options.threads);
      const everything = 99;
      library.call("SetSessionGraphOptimizationLevel", settings, options.optimise === false ? 0 : everything);
      if (options.memoryPattern === false) library.call("DisableMemPattern", settings);
      for (const [key, value] of Object.entries(options.config ?? {})) {
        library.call("AddSessionConfigEntry", settings, key, value);
      }
      const device = options.device ?? "cpu";
      await addProvider(settings, device, options.memoryLimitBytes);
      const out: (Pointer | null)[] = [null];
      try {
        if (options.operatorLibrary !== undefined)
          library.call("RegisterCustomOpsLibrary_V2", settings, options.operatorLibrary);
        if (typeof graph === "string")
          await library.callAsync("CreateSession", library.env, graph, settings, out);
        else
          await library.callAsync("CreateSessionFromArray", library.env, graph, graph.length, settings, out);
      } catch (error) {
        throw explain(options.label, error);
      }
      return new Session(BigInt(out[0] ?? 0), options.label, device);
    } finally {
      library.release("ReleaseSessionOptions", settings);
    }
  }

  /** The element type of a named input. @throws MAGDI_RUNTIME when there is no such tensor. */
  inputType(name: string): DataType {
    const library = OrtLibrary.load();
    const index = this.inputNames.indexOf(name);
    if (index < 0) throw new MagdiError("MAGDI_RUNTIME", `session ${this.label} has no input ${name}`);
    const info = library.create("SessionGetInputTypeInfo", this.#handle, index);
    try {
      // The tensor info is part of the type info, and released with it.
      const element = Number(
        library.create("GetTensorElementType", library.create("CastTypeInfoToTensorInfo", info)),
      );
      for (const [type, code] of Object.entries(DATA_TYPES)) if (code === element) return type as DataType; // its key
      throw new MagdiError(
        "MAGDI_RUNTIME",
        `session ${this.label}: input ${name} has ONNX's element type ${element}, which is not supported`,
      );
    } finally {
      library.release("ReleaseTypeInfo", info);
    }
  }

  /** Bytes that all runs copied from the host to the device and back, by the tensors bound; 0 on the CPU. */
  get transferredBytes(): number {
    return this.#transferredBytes;
  }

  /** Memory on the session's device, for tensors that stay there. Release it before closing the session.
   * @throws MAGDI_RUNTIME on the CPU, whose memory is the host's. */
  deviceMemory(): DeviceMemory {
    return new DeviceMemory(this.#handle, this.device);
  }

  /** Runs the graph on a thread of libuv's pool; one run at a time. @throws MAGDI_RUNTIME naming operator and node. */
  async run(binding: Binding): Promise<void> {
    if (this.#handle === 0n) throw new MagdiError("MAGDI_RUNTIME", `session ${this.label} is closed`);
    if (this.#running) throw new MagdiError("MAGDI_RUNTIME", `session ${this.label} is already running`);
    this.#running = binding;
    try {
      const { inputs, outputs } = binding;
      inputs.refresh();
      outputs.refresh();
      await OrtLibrary.load().callAsync(
        "Run",
        this.#handle,
        null,
        inputs.names.addresses,
        inputs.handles,
        inputs.count,
        outputs.names.addresses,
        outputs.count,
        outputs.handles,
      );
      if (this.device !== "cpu") this.#transferredBytes += binding.hostBytes;
    } catch (error) {
      throw explain(this.label, error);
    } finally {
      this.#running = null;
    }
  }

  /** @throws MAGDI_RUNTIME while a run is in flight: what it reads and writes must not be freed. */
  assertIdle(): void {
    if (this.#running)
      throw new MagdiError("MAGDI_RUNTIME", `session ${this.label} is running and cannot close`);
  }

  /** Frees the session and its weights. Idempotent. @throws MAGDI_RUNTIME while a run is in flight. */
  close(): void {
    this.assertIdle();
    if (this.#handle === 0n) return;
    OrtLibrary.load().release("ReleaseSession", this.#handle);
    this.#handle = 0n;
  }
}
