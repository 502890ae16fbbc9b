// Uploads files to a model repository on a Hugging Face hub, in one commit: the repository is created, large files go to its
// LFS storage first, and what is there already is not sent again, so a run that broke off goes on where it was.

import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { fingerprint } from "./file-check.ts";
import { HubClient, TransientFailure } from "./hub-client.ts";

/** A file to be uploaded: on disk, or a text. */
export interface UploadFile {
  /** In the repository, with slashes. */
  readonly path: string;
  readonly content: { readonly file: string } | { readonly text: string };
}

export interface UploadOptions {
  /** OWNER/NAME. */
  readonly repository: string;
  readonly endpoint: string;
  readonly token: string;
  /** The commit's first line. */
  readonly summary: string;
  readonly fetch?: typeof fetch;
  readonly delay?: (milliseconds: number) => Promise<void>;
  readonly onProgress?: (progress: {
    readonly file: string;
    readonly done: number;
    readonly total: number;
  }) => void;
}

const BRANCH = "main";
/** The hub looks at a file's beginning to tell texts from others. */
const SAMPLE_BYTES = 512;
/** Files that one question may ask about. */
const BATCH = 100;
const LFS_JSON = "application/vnd.git-lfs+json";

const preuploadAnswer = z.object({
  files: z.array(z.object({ path: z.string(), uploadMode: z.enum(["lfs", "regular"]) })),
});
const action = z.object({ href: z.url(), header: z.record(z.string(), z.string()).optional() });
const batchAnswer = z.object({
  objects: z.array(
    z.object({
      oid: z.string(),
      actions: z.object({ upload: action.optional(), verify: action.optional() }).optional(),
      error: z.object({ code: z.number(), message: z.string() }).optional(),
    }),
  ),
});
const commitAnswer = z.object({ commitUrl: z.string() });

type Body = NonNullable<RequestInit["body"]>;

interface LargeFile {
  readonly path: string;
  readonly file: UploadFile;
  readonly oid: string;
  readonly size: number;
}

/**
 * Resolves to the commit's address. A repository that does not exist yet is created, private.
 * @throws MAGDI_BAD_CONFIG for a token without the right or an unknown owner; MAGDI_NOT_WRITTEN when the hub cannot be reached,
 * or refuses a file
 */
export function uploadToHub(files: readonly UploadFile[], options: UploadOptions): Promise<string> {
  return new Upload(files, options).run();
}

class Upload {
  readonly #files: readonly UploadFile[];
  readonly #options: UploadOptions;
  readonly #client: HubClient;
  readonly #endpoint: string;
  readonly #fetch: typeof fetch;

  constructor(files: readonly UploadFile[], options: UploadOptions) {
    this.#files = files;
    this.#options = options;
    this.#fetch = options.fetch ?? fetch;
    this.#endpoint = options.endpoint.replace(/\/+$/, "");
    this.#client = new HubClient({
      endpoint: options.endpoint,
      token: options.token,
      fetch: this.#fetch,
      delay: options.delay ?? ((milliseconds) => pause(milliseconds)),
    });
  }

  async run(): Promise<string> {
    await this.#createRepository();
    const large = await this.#largeFiles();
    for (let first = 0; first < large.length; first += BATCH) {
      await this.#uploadLarge(large.slice(first, first + BATCH));
    }
    return this.#commit(new Map(large.map((file) => [file.path, file])));
  }

  /** One that exists is as good; and whoever may not create may still write to one that exists, which the next call tells. */
  async #createRepository(): Promise<void> {
    const [organization, name] = this.#options.repository.split("/");
    const body = { type: "model", name, organization, private: true };
    await this.#json("/api/repos/create", JSON.stringify(body), "application/json", [409, 403]);
  }

  async #largeFiles(): Promise<LargeFile[]> {
    const large: LargeFile[] = [];
    for (let first = 0; first < this.#files.length; first += BATCH) {
      const batch = this.#files.slice(first, first + BATCH);
      const question = batch.map((file) => ({
        path: file.path,
        size: sizeOf(file),
        sample: readPart(file, 0, SAMPLE_BYTES).toString("base64"),
      }));
      const answer = await this.#json(
        `/api/models/${this.#options.repository}/preupload/${BRANCH}`,
        JSON.stringify({ files: question }),
        "application/json",
      );
      const modes = new Map(
        this.#checked(preuploadAnswer, answer).files.map(({ path, uploadMode }) => [path, uploadMode]),
      );
      for (const file of batch) {
        if (modes.get(file.path) !== "lfs") continue;
        if (!("file" in file.content))
          throw this.#refused(`${file.path}: a text is to be stored as a large file`);
        const { bytes, sha256 } = await fingerprint(file.content.file);
        large.push({ path: file.path, file, oid: sha256, size: bytes });
      }
    }
    return large;
  }

  async #uploadLarge(batch: readonly LargeFile[]): Promise<void> {
    const body = {
      operation: "upload",
      transfers: ["basic", "multipart"],
      hash_algo: "sha_256",
      ref: { name: BRANCH },
      objects: batch.map(({ oid, size }) => ({ oid, size })),
    };
    const answer = this.#checked(
      batchAnswer,
      await this.#json(
        `/${this.#options.repository}.git/info/lfs/objects/batch`,
        JSON.stringify(body),
        LFS_JSON,
      ),
    );
    for (const file of batch) {
      const object = answer.objects.find(({ oid }) => oid === file.oid);
      if (object === undefined || object.error !== undefined) {
        throw this.#refused(`${file.path}: ${object?.error?.message ?? "the hub names no place for it"}`);
      }
      const report = (done: number): void =>
        this.#options.onProgress?.({ file: file.path, done, total: file.size });
      const { upload, verify } = object.actions ?? {};
      if (upload !== undefined) await this.#send(file, upload, report);
      if (upload !== undefined && verify !== undefined) {
        const verified = JSON.stringify({ oid: file.oid, size: file.size });
        await this.#request(verify.href, "POST", () => verified, {
          ...verify.header,
          "content-type": LFS_JSON,
        });
      }
      report(file.size);
    }
  }

  /** In one piece, or, where the hub names a size for parts, in parts that are put together at the end. */
  async #send(
    { file, oid, size, path }: LargeFile,
    { href, header = {} }: z.output<typeof action>,
    report: (done: number) => void,
  ): Promise<void> {
    const { chunk_size: chunkSize, ...headers } = header;
    if (chunkSize === undefined) {
      await this.#request(href, "PUT", () => streamOf(file), { ...headers, "content-length": String(size) });
      return;
    }
    const partBytes = Number(chunkSize);
    const count = Math.ceil(size / partBytes);
    const places = Object.entries(header)
      .filter(([key]) => /^\d+$/.test(key))
      .sort(([a], [b]) => Number(a) - Number(b));
    if (!(partBytes > 0) || places.length !== count) {
      throw this.#refused(
        `${path}: expected places for ${count} parts of ${chunkSize} bytes, found ${places.length}`,
      );
    }
    const parts: { partNumber: number; etag: string }[] = [];
    for (const [index, [key, place]] of places.entries()) {
      const bytes = readPart(file, index * partBytes, partBytes);
      const response = await this.#request(place, "PUT", () => bytes, {});
      const etag = response.headers.get("etag");
      if (etag === null) throw this.#refused(`${path}: part ${key} was answered without an ETag`);
      parts.push({ partNumber: Number(key), etag });
      report(Math.min(size, (index + 1) * partBytes));
    }
    const whole = JSON.stringify({ oid, parts });
    await this.#request(href, "POST", () => whole, { accept: LFS_JSON, "content-type": LFS_JSON });
  }

  async #commit(large: ReadonlyMap<string, LargeFile>): Promise<string> {
    const lines = [
      { key: "header", value: { summary: this.#options.summary } },
      ...this.#files.map((file) => {
        const stored = large.get(file.path);
        if (stored !== undefined) {
          const { path, oid, size } = stored;
          return { key: "lfsFile", value: { path, algo: "sha256", oid, size } };
        }
        const content = readPart(file, 0, sizeOf(file)).toString("base64");
        return { key: "file", value: { path: file.path, content, encoding: "base64" } };
      }),
    ];
    const answer = await this.#json(
      `/api/models/${this.#options.repository}/commit/${BRANCH}`,
      lines.map((line) => JSON.stringify(line)).join("\n"),
      "application/x-ndjson",
    );
    return this.#checked(commitAnswer, answer).commitUrl;
  }

  /** The answer's JSON; null for a status that is as good. */
  async #json(place: string, body: string, type: string, asGood: readonly number[] = []): Promise<unknown> {
    const accept = type === LFS_JSON ? LFS_JSON : "application/json";
    const headers = { "content-type": type, accept };
    const response = await this.#request(`${this.#endpoint}${place}`, "POST", () => body, headers, asGood);
    if (!response.ok) return null;
    try {
      return await response.json();
    } catch (cause) {
      throw this.#refused(`expected JSON from ${response.url}: ${String(cause)}`);
    }
  }

  #checked<T extends z.ZodType>(schema: T, answer: unknown): z.output<T> {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw this.#refused(`its answer is not the hub's: ${issue?.path.join(".")}: ${issue?.message}`);
  }

  /** Retries what may pass. The token goes to the hub's own origin only. */
  #request(
    href: string,
    method: "POST" | "PUT",
    body: () => Body,
    headers: Readonly<Record<string, string>>,
    asGood: readonly number[] = [],
  ): Promise<Response> {
    const own = new URL(href).origin === new URL(this.#endpoint).origin;
    const authorization = own ? { authorization: `Bearer ${this.#options.token}` } : {};
    return this.#client.retrying(async () => {
      let response: Response;
      try {
        response = await this.#fetch(href, {
          method,
          body: body(),
          redirect: "manual",
          headers: { "user-agent": "magdi", ...headers, ...authorization },
          duplex: "half",
        } as RequestInit); // its type lacks duplex, which a streamed body needs
      } catch (error) {
        throw this.#broken(href, error);
      }
      if (response.ok || asGood.includes(response.status)) return response;
      throw await this.#failure(href, response);
    });
  }

  #broken(href: string, error: unknown): MagdiError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    return new TransientFailure(
      "MAGDI_NOT_WRITTEN",
      `${new URL(href).origin}: the connection failed again and again (${reason}); what was uploaded is kept there, run the command again`,
      { cause: error },
    );
  }

  async #failure(href: string, response: Response): Promise<MagdiError> {
    const { status } = response;
    const { origin } = new URL(href);
    const said = (await response.text()).slice(0, 300);
    const { repository } = this.#options;
    const answered = `${origin} answered ${status} for ${repository}${said === "" ? "" : ` (${said})`}`;
    if (status === 401) {
      return new MagdiError(
        "MAGDI_BAD_CONFIG",
        `${answered}: HF_TOKEN is not valid; make one with write access`,
      );
    }
    // A signed place that is refused has expired.
    if (origin !== new URL(this.#endpoint).origin && status === 403) {
      return new MagdiError(
        "MAGDI_NOT_WRITTEN",
        `${answered}: its place to upload to has expired; run the command again`,
      );
    }
    if (status === 403 || status === 404) {
      return new MagdiError(
        "MAGDI_BAD_CONFIG",
        `${answered}: HF_TOKEN may not write there, or there is no such owner: check the name, and that the token has write access`,
      );
    }
    if (status >= 300 && status < 400) {
      const place = response.headers.get("location") ?? "another place";
      return new MagdiError(
        "MAGDI_BAD_CONFIG",
        `${answered}: it has moved to ${place}; name it as it is called now`,
      );
    }
    if (status >= 500 || status === 429 || status === 408) {
      return new TransientFailure(
        "MAGDI_NOT_WRITTEN",
        `${answered} again and again; run the command again later`,
      );
    }
    return new MagdiError("MAGDI_NOT_WRITTEN", `${answered}: expected it to take the upload`);
  }

  #refused(what: string): MagdiError {
    return new MagdiError("MAGDI_NOT_WRITTEN", `${this.#endpoint}: ${this.#options.repository}: ${what}`);
  }
}

function sizeOf({ content }: UploadFile): number {
  return "file" in content ? statSync(content.file).size : Buffer.byteLength(content.text);
}

/** The bytes from `from` on, at most `length`. */
function readPart({ content }: UploadFile, from: number, length: number): Buffer<ArrayBuffer> {
  if (!("file" in content)) return Buffer.from(content.text).subarray(from, from + length);
  const descriptor = openSync(content.file, "r");
  try {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, statSync(content.file).size - from)));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(descriptor, bytes, done, bytes.length - done, from + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(descriptor);
  }
}

function streamOf(file: UploadFile): Body {
  if (!("file" in file.content)) return file.content.text;
  return Readable.toWeb(createReadStream(file.content.file)) as ReadableStream; // node's type of the same class
}
