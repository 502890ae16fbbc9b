// Copies what the build reads besides code: the playground's static files, the debates' prompts and their page's.
import { cpSync } from "node:fs";

cpSync("src/server/playground", "dist/server/playground", { recursive: true });
cpSync("src/debate/prompts", "dist/debate/prompts", { recursive: true });
for (const name of ["page.js", "page.css"]) cpSync(`src/debate/page/${name}`, `dist/debate/page/${name}`);
