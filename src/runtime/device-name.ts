// The names of the devices that a session can run on. It loads no library.

/** The processor, whatever Vulkan, Metal or Direct3D drive, or an NVIDIA GPU. */
export const DEVICES = ["cpu", "webgpu", "cuda"] as const;
export type Device = (typeof DEVICES)[number];

/** What a setting may name: auto is the first of cuda, webgpu and cpu that works. */
export const DEVICE_SETTINGS = [...DEVICES, "auto"] as const;
export type DeviceSetting = (typeof DEVICE_SETTINGS)[number];
