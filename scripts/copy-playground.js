// Copies the playground's static files into the build.
import { cpSync } from "node:fs";

cpSync("src/server/playground", "dist/server/playground", { recursive: true });
