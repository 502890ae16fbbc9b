// Copies what the build reads besides code: the playground's static files and the debates' prompts.
import { cpSync } from "node:fs";

cpSync("src/server/playground", "dist/server/playground", { recursive: true });
cpSync("src/debate/prompts", "dist/debate/prompts", { recursive: true });
