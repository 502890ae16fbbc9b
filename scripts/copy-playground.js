// Puts the playground's files, which are served as they are, beside the server that was built.
import { cpSync } from "node:fs";

cpSync("src/server/playground", "dist/server/playground", { recursive: true });
