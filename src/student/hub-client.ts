// Speaks a Hugging Face hub's HTTP: what a file is (size, ETag, commit), and its bytes from an offset on. It keeps the
// token to the hub's own origin and names what went wrong. It writes nothing.

import { MagdiError } from "../base/errors.ts";

const ATTEMPTS = 5;
const FIRST_DELAY_MS = 500;
const MAX_REDIRECTS = 10;

/** Failures that waiting does not mend: no name service, no route, nobody listening. */
const UNREACHABLE = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** A failure that another attempt may mend; what it says is true once they are used up. */
export class PassingFailure extends MagdiError {}

/** There is no way to the hub: a copy on disk may serve instead. */
export class HubUnreachable extends MagdiError {}

export interface HubClientOptions {
  /** Such as https://huggingface.co. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly fetch: typeof fetch;
  readonly delay: (milliseconds: number) => Promise<void>;
}

/** What the hub says of one file. */
export interface RemoteFile {
  readonly url: string;
  /** Without quotes and weakness; null when the hub names none. */
  readonly etag: string | null;
  /** Whether the ETag is the SHA-256 that the hub itself states for a large file. */
  readonly linked: boolean;
  readonly sizeBytes: number | null;
  /** The commit that the revision stands for now. */
  readonly commit: string | null;
}

/** Where a file is asked for: the repository for messages, the revision and the name for the address. */
export interface FileAddress {
  readonly repository: string;
  readonly revision: string;
  readonly name: string;
}

interface Answer {
  readonly response: Response;
  /** The headers of every redirect on the way, and the last answer's. */
  readonly headers: readonly Headers[];
  readonly url: URL;
}

export function unquotedEtag(value: string | null): string | null {
  return value?.replace(/^W\//, "").replace(/^"(.*)"$/, "$1") || null;
}

/** A header's whole number of bytes; null when there is none. */
export function byteCount(value: string | null): number | null {
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}

export class HubClient {
  readonly #options: HubClientOptions;
  readonly #origin: string;

  /** @throws MAGDI_BAD_CONFIG when the endpoint is no address or the token cannot stand in a header. */
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

  /** Asks for size, ETag and commit; null when the repository has no such file.
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
      // A redirect's own length and ETag are not the file's, nor is the length of a body that comes compressed.
      const own = redirect || response.headers.has("content-encoding") ? null : response.headers;
      const stated = first("x-repo-commit");
      const commit = stated !== null && /^[0-9a-f]{40}$/.test(stated) ? stated : null;
      return {
        // A branch may move before its bytes are read.
        url: commit === null ? url : urlAt(commit),
        etag: linked ?? unquotedEtag(own?.get("etag") ?? null),
        linked: linked !== null,
        sizeBytes: byteCount(first("x-linked-size")) ?? byteCount(own?.get("content-length") ?? null),
        commit,
      };
    });
  }

  /** One attempt at a file's bytes from `offset` on: 206 from there, 200 from the start where ranges are unknown.
   * @throws PassingFailure, MagdiError */
  async open(file: RemoteFile, repository: string, offset: number): Promise<Response> {
    const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const { response, url } = await this.#request("GET", new URL(file.url), range);
    // A storage link that refuses has run out: the hub gives a new one.
    if (response.status === 403 && url.origin !== this.#origin) {
      await response.body?.cancel();
      throw new PassingFailure(
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

  /** Runs `attempt` again, after a growing pause, while it fails in passing; what grows `progress` counts anew. */
  async retrying<T>(attempt: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    let furthest = progress();
    for (let failures = 1; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof PassingFailure)) throw error;
        const reached = progress();
        if (reached > furthest) failures = 1;
        furthest = Math.max(furthest, reached);
        if (failures >= ATTEMPTS) throw error;
        await this.#options.delay(FIRST_DELAY_MS * 2 ** (failures - 1));
      }
    }
  }

  /** What a failure of fetch or of reading a body means. */
  networkFailure(error: unknown, url: string): MagdiError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const reason = code || (cause instanceof Error ? cause.message : String(cause));
    const { origin } = new URL(url);
    if (UNREACHABLE.has(code)) {
      const message = `this machine cannot reach ${origin} (${reason}): download the folder elsewhere and pass its path`;
      return new HubUnreachable("MAGDI_FILE_MISSING", message, { cause: error });
    }
    return new PassingFailure(
      "MAGDI_FILE_MISSING",
      `${origin}: the connection broke again and again (${reason}); what arrived is kept, run the command again`,
      { cause: error },
    );
  }

  /** Follows redirects itself: fetch would hide their headers, and the token must not leave the hub's origin. A HEAD
   * stops at the hub's edge, for a storage link is signed for GET alone. */
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
    try {
      return await this.#options.fetch(url, init);
    } catch (error) {
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
      throw new PassingFailure("MAGDI_FILE_MISSING", `${message} ${ATTEMPTS} times; try again later`);
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
