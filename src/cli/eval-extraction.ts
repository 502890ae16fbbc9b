import type { Command } from "./command.ts";
export const evalExtractionCommand: Pick<Command, "help" | "run"> = { help: "", run: async () => 0 };
