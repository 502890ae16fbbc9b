// Tells when the client of a pending response has gone away. It knows nothing of what was asked.
import type { ServerResponse } from "node:http";

/** Calls back once if the connection closes before the response is written; the returned function stops watching. */
export function onClientGone(response: ServerResponse, callback: () => void): () => void {
  const closed = () => {
    if (!response.writableFinished) callback();
  };
  if (response.destroyed) closed();
  else response.once("close", closed);
  return () => void response.off("close", closed);
}
