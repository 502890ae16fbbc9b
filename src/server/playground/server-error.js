// What the server says went wrong, in its own words.

export class ServerError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, param?: string | null, code?: string | null, requestId?: string | null }} [details]
   */
  constructor(message, details = {}) {
    super(message);
    this.name = "ServerError";
    /** HTTP's, or 0 where the error came in a frame. */
    this.status = details.status ?? 0;
    /** The field to blame, such as "choices[1].text". */
    this.param = details.param ?? null;
    this.code = details.code ?? null;
    this.requestId = details.requestId ?? null;
  }
}

/**
 * The error of a response that is none of 2xx.
 *
 * @param {Response} response
 */
export async function errorOf(response) {
  const text = await response.text();
  const shared = { status: response.status, requestId: response.headers.get("x-request-id") };
  try {
    const { message, param, code } = JSON.parse(text).error;
    return new ServerError(String(message), { ...shared, param, code });
  } catch {
    return new ServerError(`the server answered ${response.status} ${response.statusText}`.trim(), shared);
  }
}
