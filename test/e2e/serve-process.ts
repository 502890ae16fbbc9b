// A server as a child process that is gone when its test ends.
import type { TestContext } from "node:test";
import { ServerProcess, type ServerProcessOptions } from "../../loadtest/server/server-process.ts";

export const TINY = ["--import", "tsx", "test/e2e/tiny-serve.ts"];

export class ServeProcess extends ServerProcess {
  constructor(
    t: TestContext,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
    options: Pick<ServerProcessOptions, "maxOpenFiles"> = {},
  ) {
    super(args, { environment, ...options });
    t.after(async () => {
      this.kill("SIGKILL");
      await this.exited;
    });
  }
}

export function post(url: string, path: string, body: object): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
