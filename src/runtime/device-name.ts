// The names of the devices that a session can run on, in a file that loads no native library.

/** The CPU, a GPU through Vulkan, Metal or Direct3D, or an NVIDIA GPU through CUDA. */
export const DEVICES = ["cpu", "webgpu", "cuda"] as const;
export type Device = (typeof DEVICES)[number];

/** What a setting may name; auto is the first of cuda, webgpu and cpu that works. */
export const DEVICE_SETTINGS = [...DEVICES, "auto"] as const;
export type DeviceSetting = (typeof DEVICE_SETTINGS)[number];
