// Our own operators' library (native/): where it lies, whether it loads here, and which instruction set it computes with.

import { existsSync } from "node:fs";
import path from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import { MagdiError } from "../base/errors.ts";
import { NATIVE_BINARIES } from "../base/package-files.ts";

/** What computes a graph's products and attention: our operators with an instruction set, or ONNX Runtime's. */
export type Kernels =
  | { readonly kind: "native"; readonly instructionSet: string; readonly libraryPath: string }
  | { readonly kind: "stock"; readonly reason: string };

/** "avx2", or "stock (why)": for logs and reports. */
export const describeKernels = (kernels: Kernels): string =>
  kernels.kind === "native" ? kernels.instructionSet : `stock (${kernels.reason})`;

/** Chooses an instruction set, or `stock`: for tests and comparisons. The library reads it too. */
const CHOICE = "MAGDI_KERNELS";

const PLAIN = "plain";

const stock = (reason: string): Kernels => ({ kind: "stock", reason });

const FILE_NAMES: Partial<Record<NodeJS.Platform, string>> = {
  darwin: "libmagdi-kernels.dylib",
  win32: "magdi-kernels.dll",
};

/** Kept referenced: koffi unloads a library without references. */
const libraries = new Map<string, LibraryHandle>();

/** The library's path for a platform. */
export function kernelLibraryPath(
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch,
): string {
  return path.join(
    NATIVE_BINARIES,
    `${platform}-${architecture}`,
    FILE_NAMES[platform] ?? "libmagdi-kernels.so",
  );
}

/** The kernels for this process's CPU. @throws MAGDI_BAD_CONFIG when MAGDI_KERNELS names an instruction set that the
 * processor lacks, or that does not exist. */
export function openKernels(libraryPath = kernelLibraryPath()): Kernels {
  const choice = process.env[CHOICE] ?? "";
  if (choice === "stock") return stock(`${CHOICE}=stock`);
  if (!existsSync(libraryPath)) return stock(`there is no ${path.relative(NATIVE_BINARIES, libraryPath)}`);
  let instructionSet: string;
  try {
    let library = libraries.get(libraryPath);
    if (library === undefined) {
      library = koffi.load(libraryPath);
      libraries.set(libraryPath, library);
    }
    instructionSet = String(library.func("const char *magdi_kernels()")());
  } catch (error) {
    return stock(
      `${path.basename(libraryPath)} does not load: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (choice !== "" && choice !== instructionSet) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${CHOICE}: expected stock, plain or an instruction set that this processor has, found "${choice}"`,
    );
  }
  // Plain C is the reference for the others, and slower than ONNX Runtime.
  if (choice === "" && instructionSet === PLAIN) return stock("the processor has no instruction set of ours");
  return { kind: "native", instructionSet, libraryPath };
}
