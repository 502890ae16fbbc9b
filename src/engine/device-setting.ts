// What the settings of an engine may say of its device, for rooms that open none themselves.

export { DEVICE_SETTINGS, type DeviceSetting } from "../runtime/device-name.ts";
