// Which devices work on this machine: each is tried with a session of one addition.

import { MagdiError } from "../base/errors.ts";
import type { Device, DeviceSetting } from "./device-name.ts";
import { OrtTensor } from "./ort-tensor.ts";
import { Binding, Session } from "./session.ts";

export { DEVICES, type Device } from "./device-name.ts";

/** An ONNX graph of y = x + x over float32 [4], as src/onnx encodes it. */
const ADDITION = Buffer.from(
  "CAoSBW1hZ2RpOjwKEwoBeAoBeBIBeRoDQWRkIgNBZGQSA3RyeVoPCgF4EgoKCAgBEgQKAggEYg8KAXkSCgoICAESBAoCCARCBAoAEBVCEQoNY29tLm1pY3Jvc29mdBAB",
  "base64",
);

/** Opens, runs and closes a session on the device: null when that works, else the reason in a sentence. */
export async function unavailable(device: Device): Promise<string | null> {
  const x = OrtTensor.zeros("float32", [4]);
  const y = OrtTensor.zeros("float32", [4]);
  try {
    const session = await Session.open(ADDITION, { label: `test of ${device}`, device, threads: 1 });
    x.data.set([1, 2, 3, 4]);
    try {
      await session.run(new Binding({ x }, { y }));
    } finally {
      session.close();
    }
    const wrong = y.data.findIndex((value, at) => value !== 2 * x.data[at]!);
    return wrong < 0
      ? null
      : `it computes wrong results: expected ${2 * x.data[wrong]!}, found ${y.data[wrong]}`;
  } catch (error) {
    if (!(error instanceof MagdiError)) throw error;
    return error.message.replace(`device ${device}: `, "");
  } finally {
    x.release();
    y.release();
  }
}

export interface DeviceChoice {
  readonly device: Device;
  /** The devices that were tried before, each with the reason why it cannot be used. */
  readonly passedOver: readonly { readonly device: Device; readonly reason: string }[];
}

/** "runs on cpu; cuda cannot be used: …; webgpu cannot be used: …" */
export function tellChoice({ device, passedOver }: DeviceChoice): string {
  return [`runs on ${device}`, ...passedOver.map(refusal)].join("; ");
}

const refusal = ({ device, reason }: DeviceChoice["passedOver"][number]): string =>
  `${device} cannot be used: ${reason}`;

/** The fastest first; the CPU always works. */
const BY_SPEED: readonly Device[] = ["cuda", "webgpu", "cpu"];

/** The device that a setting names, or for "auto" the first of cuda, webgpu and cpu that a session runs on.
 * @throws MAGDI_UNSUPPORTED when the one named cannot be used. */
export async function chooseDevice(setting: DeviceSetting): Promise<DeviceChoice> {
  if (setting === "cpu") return { device: setting, passedOver: [] };
  const passedOver: { device: Device; reason: string }[] = [];
  for (const device of setting === "auto" ? BY_SPEED : [setting]) {
    const reason = device === "cpu" ? null : await unavailable(device);
    if (reason === null) return { device, passedOver };
    passedOver.push({ device, reason });
  }
  throw new MagdiError("MAGDI_UNSUPPORTED", `device ${passedOver.map(refusal).join("; ")}`);
}
