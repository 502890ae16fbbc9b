// An error response or error frame from the server.

export class ServerError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, param?: string | null, code?: string | null, requestId?: string | null, retryAfter?: string | null }} [details]
   */
  constructor(message, details = {}) {
    super(message);
    this.name = "ServerError";
    /** The HTTP status; 0 for an error frame. */
    this.status = details.status ?? 0;
    /** The field that caused the error, such as "choices[1].text". */
    this.param = details.param ?? null;
    this.code = details.code ?? null;
    this.requestId = details.requestId ?? null;
    /** In how many seconds to ask again, as the server says it. */
    this.retryAfter = details.retryAfter ?? null;
  }
}

/**
 * The error in a response whose status is not 2xx.
 *
 * @param {Response} response
 */
export async function errorOf(response) {
  const text = await response.text();
  const shared = {
    status: response.status,
    requestId: response.headers.get("x-request-id"),
    retryAfter: response.headers.get("retry-after"),
  };
  try {
    const { message, param, code } = JSON.parse(text).error;
    return new ServerError(String(message), { ...shared, param, code });
  } catch {
    return new ServerError(`the server answered ${response.status} ${response.statusText}`.trim(), shared);
  }
}
