// Loaded into a server: on SIGWINCH the software GPU's driver answers every submission of work with
// VK_ERROR_DEVICE_LOST, as a real one does of a GPU that fell off its bus.
import path from "node:path";
import koffi from "koffi";

const VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1;
const READ_WRITE_EXECUTE = 7;
const PAGE_BYTES = 4096n;
/** mov eax, -4 (VK_ERROR_DEVICE_LOST); ret */
const LOST = Uint8Array.of(0xb8, 0xfc, 0xff, 0xff, 0xff, 0xc3);

function loseDevice(): void {
  // Koffi is loaded late: the runtime configures it before its first library.
  const driver = koffi.load(
    path.join(path.dirname(process.env.VK_ICD_FILENAMES ?? ""), "libvk_swiftshader.so"),
  );
  const procedure = driver.func("void *vk_icdGetInstanceProcAddr(void *, const char *)");
  const system = koffi.load("libc.so.6");
  const protect = system.func("int mprotect(void *, size_t, int)");
  const copy = system.func("void *memcpy(void *, const void *, size_t)");
  const info = new Uint8Array(new ArrayBuffer(64));
  info[0] = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  const signature = koffi.proto("int vkCreateInstance(const void *, const void *, _Out_ void **)");
  const instance: unknown[] = [null];
  koffi.decode(procedure(null, "vkCreateInstance"), signature)(info, null, instance);
  for (const name of ["vkQueueSubmit", "vkQueueSubmit2"]) {
    const code = procedure(instance[0], name);
    const page = koffi.address(code) & ~(PAGE_BYTES - 1n);
    if (protect(page, Number(2n * PAGE_BYTES), READ_WRITE_EXECUTE) !== 0) throw new Error("mprotect failed");
    copy(code, LOST, LOST.length);
  }
}

process.on("SIGWINCH", loseDevice);
