// The container's health check: exit code 0 while GET /health answers 200, 1 else. It knows only the address, from the
// same variables as the server.
const host = process.env.MAGDI_HOST ?? "127.0.0.1";
const port = process.env.MAGDI_PORT ?? "8080";
const LOOPBACK = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };
const address = LOOPBACK[host] ?? (host.includes(":") ? `[${host}]` : host);

try {
  const response = await fetch(`http://${address}:${port}/health`, { signal: AbortSignal.timeout(2500) });
  const { status } = await response.json();
  console.log(status);
  process.exitCode = response.status === 200 ? 0 : 1;
} catch (error) {
  console.error(`no answer from ${address}:${port}: ${error.cause?.code ?? error.message}`);
  process.exitCode = 1;
}
