// The folder of the bundled student.

import { fileURLToPath } from "node:url";

export const DEFAULT_STUDENT = fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url));
