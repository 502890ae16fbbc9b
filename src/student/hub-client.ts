// HTTP client of a Hugging Face hub: a file's size, ETag and commit, and its bytes from an offset on. Sends the token
// to the hub's own origin only.

import { MagdiError } from "../base/errors.ts";

const ATTEMPTS = 5;
const FIRST_DELAY_MS = 500;
const MAX_REDIRECTS = 10;
/** An answer has to begin, and then to bring STEADY_BYTES, in every minute. */
const PATIENCE_MS = 60_000;
const STEADY_BYTES = 2 ** 18;

/** Failures that a retry would not help: no DNS, no route, no listener. */
const UNREACHABLE = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** A transient failure, to be retried. Its message is for when the attempts are used up. */
export class TransientFailure extends MagdiError {}

/** The hub cannot be reached; a complete copy on disk may be used instead. */
export class HubUnreachable extends MagdiError {}

export interface HubClientOptions {
  /** Such as https://huggingface.co. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly fetch: typeof fetch;
  readonly delay: (milliseconds: number) => Promise<void>;
  /** Default: a minute. */
  readonly patienceMs?: number;
}

/** A file on the hub. */
export interface RemoteFile {
  readonly url: string;
  /** Without quotes and the weak prefix; null without one. */
  readonly etag: string | null;
  /** Whether the ETag is the SHA-256 that the hub states for a large file. */
  readonly linked: boolean;
  readonly sizeBytes: number | null;
  /** The commit that the revision resolves to now. */
  readonly commit: string | null;
}

export interface FileAddress {
  readonly repository: string;
  readonly revision: string;
  readonly name: string;
}

interface Answer {
  readonly response: Response;
  /** Those of every redirect and of the last response. */
  readonly headers: readonly Headers[];
  readonly url: URL;
}

export function unquotedEtag(value: string | null): string | null {
  return value?.replace(/^W\//, "").replace(/^"(.*)"$/, "$1") || null;
}

/** A header's number of bytes; null when it has none. */
export function byteCount(value: string | null): number | null {
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}

export class HubClient {
  readonly #options: HubClientOptions;
  readonly #origin: string;

  /** @throws MAGDI_BAD_CONFIG when the endpoint is not a URL or the token not a valid header value. */
  constructor(options: HubClientOptions) {
    this.#options = options;
    if (!URL.canParse(options.endpoint) || !/^https?:/.test(options.endpoint)) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `HF_ENDPOINT: expected an address such as https://huggingface.co, found "${options.endpoint}"`,
      );
    }
    if (options.token !== null && !/^[\x21-\x7e]+$/.test(options.token)) {
      throw new MagdiError("MAGDI_BAD_CONFIG", "HF_TOKEN: expected letters and digits without spaces");
    }
    this.#origin = new URL(options.endpoint).origin;
  }

  /** Requests size, ETag and commit; null when the repository has no such file.
   * @throws MagdiError MAGDI_FILE_MISSING: unreachable, refused, unknown repository or revision. */
  describe(address: FileAddress): Promise<RemoteFile | null> {
    const { repository, revision, name } = address;
    const file = name.split("/").map(encodeURIComponent).join("/");
    const endpoint = this.#options.endpoint.replace(/\/+$/, "");
    const urlAt = (at: string): string =>
      `${endpoint}/${repository}/resolve/${encodeURIComponent(at)}/${file}`;
    const url = urlAt(revision);
    return this.retrying(async () => {
      const { response, headers } = await this.#request("HEAD", new URL(url), {});
      const first = (header: string): string | null =>
        headers.map((each) => each.get(header)).find((value) => value !== null) ?? null;
      if (response.status === 404) {
        const reason = first("x-error-code") ?? "EntryNotFound";
        if (reason === "EntryNotFound") return null;
        throw this.#unknown(address, reason);
      }
      const redirect = isRedirect(response);
      if (!redirect) this.#assertAnswered(response, url, repository);
      const linked = unquotedEtag(first("x-linked-etag"));
      // Length and ETag of a redirect are not the file's, nor is the length of a compressed body.
      const own = redirect || response.headers.has("content-encoding") ? null : response.headers;
      const stated = first("x-repo-commit");
      const commit = stated !== null && /^[0-9a-f]{40}$/.test(stated) ? stated : null;
      return {
        // By commit, because a branch may move before the bytes are read.
        url: commit === null ? url : urlAt(commit),
        etag: linked ?? unquotedEtag(own?.get("etag") ?? null),
        linked: linked !== null,
        sizeBytes: byteCount(first("x-linked-size")) ?? byteCount(own?.get("content-length") ?? null),
        commit,
      };
    });
  }

  /** One attempt at a file's bytes from `offset` on: 206 from there, or 200 from the start where ranges are not
   * supported.
   * @throws TransientFailure, MagdiError */
  async open(file: RemoteFile, repository: string, offset: number): Promise<Response> {
    const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const { response, url } = await this.#request("GET", new URL(file.url), range);
    // A signed storage link that is refused has expired: the next attempt gets a new one.
    if (response.status === 403 && url.origin !== this.#origin) {
      await response.body?.cancel();
      throw new TransientFailure(
        "MAGDI_FILE_MISSING",
        `${url.host} answered 403 for ${file.url}; try again later`,
      );
    }
    if (!response.ok) {
      await response.body?.cancel();
      this.#assertAnswered(response, file.url, repository);
    }
    return response;
  }

  /** Retries `attempt` on transient failures with exponential backoff; when `progress` grows, the count starts anew. */
  async retrying<T>(attempt: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    let furthest = progress();
    for (let failures = 1; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof TransientFailure)) throw error;
        const reached = progress();
        if (reached >= furthest + STEADY_BYTES) {
          failures = 1;
          furthest = reached;
        }
        if (failures >= ATTEMPTS) throw error;
        await this.#options.delay(FIRST_DELAY_MS * 2 ** (failures - 1));
      }
    }
  }

  /** The chunks of an answer's body. @throws TransientFailure when it breaks, or comes too slowly */
  async *bodyOf(response: Response, url: string): AsyncGenerator<Uint8Array> {
    if (response.body === null) return;
    const reader = response.body.getReader();
    const patience = new Patience(this.#options.patienceMs ?? PATIENCE_MS);
    let ended = false;
    let received = 0;
    try {
      while (true) {
        const { done, value } = await patience.wait(reader.read()).catch((error: unknown) => {
          if (error instanceof OutOfPatience) throw this.#tooSlow(url, error);
          ended = true;
          throw this.networkFailure(error, url);
        });
        if (done) {
          ended = true;
          return;
        }
        received += value.length;
        if (received >= STEADY_BYTES) {
          received = 0;
          patience.renew();
        }
        yield value;
        // Time that the disk took is not the hub's.
        if (received === 0) patience.renew();
      }
    } finally {
      if (!ended) await reader.cancel();
    }
  }

  #tooSlow(url: string, cause: Error): TransientFailure {
    const { origin } = new URL(url);
    return new TransientFailure(
      "MAGDI_FILE_MISSING",
      `${origin}: expected at least ${STEADY_BYTES} bytes a minute, found fewer again and again; what arrived is kept, try again later`,
      { cause },
    );
  }

  /** The error for a failed fetch or a broken body. */
  networkFailure(error: unknown, url: string): MagdiError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const reason = code || (cause instanceof Error ? cause.message : String(cause));
    const { origin } = new URL(url);
    if (UNREACHABLE.has(code)) {
      const message = `this machine cannot reach ${origin} (${reason}): download the folder elsewhere and pass its path`;
      return new HubUnreachable("MAGDI_FILE_MISSING", message, { cause: error });
    }
    return new TransientFailure(
      "MAGDI_FILE_MISSING",
      `${origin}: the connection broke again and again (${reason}); what arrived is kept, run the command again`,
      { cause: error },
    );
  }

  /** Follows redirects itself, because fetch hides their headers and the token must not leave the hub's origin. A HEAD
   * does not leave the hub's origin, because a storage link is signed for GET only. */
  async #request(method: "GET" | "HEAD", start: URL, own: Record<string, string>): Promise<Answer> {
    const headers: Headers[] = [];
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const authorization: Record<string, string> =
        this.#options.token !== null && url.origin === this.#origin
          ? { authorization: `Bearer ${this.#options.token}` }
          : {};
      const response = await this.#fetch(url, {
        method,
        redirect: "manual",
        headers: { "accept-encoding": "identity", "user-agent": "magdi", ...own, ...authorization },
      });
      headers.push(response.headers);
      const location = response.headers.get("location");
      if (!isRedirect(response) || location === null) return { response, headers, url };
      if (!URL.canParse(location, url.href)) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${url}: expected a redirect to an address, found "${location}"`,
        );
      }
      const next = new URL(location, url);
      if (method === "HEAD" && (next.origin !== this.#origin || response.headers.has("x-linked-etag"))) {
        return { response, headers, url };
      }
      await response.body?.cancel();
      if (url.protocol === "https:" && next.protocol !== "https:") {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${url.origin}: redirects from https to ${next.origin}: refused`,
        );
      }
      url = next;
    }
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${start}: expected a file, found more than ${MAX_REDIRECTS} redirects`,
    );
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const patience = new Patience(this.#options.patienceMs ?? PATIENCE_MS);
    const beginning = new AbortController();
    try {
      return await patience.wait(this.#options.fetch(url, { ...init, signal: beginning.signal }));
    } catch (error) {
      beginning.abort();
      if (error instanceof OutOfPatience) throw this.#tooSlow(url.href, error);
      throw this.networkFailure(error, url.href);
    }
  }

  #assertAnswered(response: Response, url: string, repository: string): void {
    const { status } = response;
    if (response.ok) return;
    if (status === 401 || status === 403) {
      const page = `${this.#origin}/${repository}`;
      const why =
        this.#options.token === null
          ? `it is gated, private or does not exist: check the name, accept its terms at ${page}, and set HF_TOKEN`
          : `HF_TOKEN gives no access to it, or it does not exist: check the name and accept its terms at ${page}`;
      throw new MagdiError(
        "MAGDI_FILE_MISSING",
        `${this.#origin} answered ${status} for ${repository}: ${why}`,
      );
    }
    const message = `${this.#origin} answered ${status} for ${url}`;
    if (status >= 500 || status === 429 || status === 408 || status === 416) {
      throw new TransientFailure("MAGDI_FILE_MISSING", `${message} ${ATTEMPTS} times; try again later`);
    }
    throw new MagdiError("MAGDI_FILE_MISSING", `${message}: expected the file`);
  }

  #unknown({ repository, revision }: FileAddress, reason: string): MagdiError {
    const what =
      reason === "RevisionNotFound" ? `revision ${revision} of ${repository}` : `model ${repository}`;
    return new MagdiError("MAGDI_FILE_MISSING", `${this.#origin} knows no ${what}: check the name`);
  }
}

function isRedirect(response: Response): boolean {
  return [301, 302, 303, 307, 308].includes(response.status);
}

class OutOfPatience extends Error {}

/** A time within which something has to happen, until it is renewed. */
class Patience {
  readonly #milliseconds: number;
  #endMs: number;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
    this.#endMs = performance.now() + milliseconds;
  }

  renew(): void {
    this.#endMs = performance.now() + this.#milliseconds;
  }

  /** @throws OutOfPatience */
  async wait<T>(happening: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const inMs = Math.max(0, this.#endMs - performance.now());
      timer = setTimeout(() => reject(new OutOfPatience("the time is over")), inMs);
    });
    try {
      return await Promise.race([happening, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
