// A hub that takes uploads, over real HTTP: repositories, pre-upload, Git LFS in one piece and in parts, commits. It keeps
// what arrives, and fails where it is told to.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface UploadRequest {
  /** Such as "POST /api/repos/create". */
  readonly call: string;
  readonly authorization: string | null;
  readonly contentLength: string | null;
  readonly chunked: boolean;
}

/** A status to answer with instead; null to go on. */
type UploadFault = (call: string) => { readonly status: number; readonly body?: string } | null;

export class UploadHub {
  readonly token = "hf_secret";
  /** OWNER/NAME that may be written to. */
  readonly repository = "me/model";
  readonly requests: UploadRequest[] = [];
  /** Large files by SHA-256. */
  readonly objects = new Map<string, Buffer>();
  /** Files of the last commit. */
  readonly files = new Map<string, Buffer>();
  created: unknown = null;
  exists = false;
  /** Files larger than this are asked for in parts of it. */
  partBytes = Number.POSITIVE_INFINITY;
  fault: UploadFault = () => null;
  readonly #parts = new Map<string, Buffer>();
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  endpoint = "";

  static async start(): Promise<UploadHub> {
    const hub = new UploadHub();
    hub.#server.listen(0, "127.0.0.1");
    await once(hub.#server, "listening");
    hub.endpoint = `http://127.0.0.1:${(hub.#server.address() as AddressInfo).port}`;
    return hub;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { pathname, searchParams } = new URL(request.url ?? "/", this.endpoint);
    const call = `${request.method} ${pathname}`;
    this.requests.push({
      call,
      authorization: request.headers.authorization ?? null,
      contentLength: request.headers["content-length"] ?? null,
      chunked: request.headers["transfer-encoding"] === "chunked",
    });
    const fault = this.fault(call);
    if (fault !== null) {
      response.writeHead(fault.status).end(fault.body ?? "");
      return;
    }
    if (pathname.startsWith("/storage/")) {
      this.#store(pathname.slice("/storage/".length), searchParams.get("part"), body, response);
      return;
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401).end('{"error":"Invalid credentials"}');
      return;
    }
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    switch (call) {
      case "POST /api/repos/create":
        if (this.exists) return json(409, { error: "You already created this model repo" });
        this.exists = true;
        this.created = JSON.parse(body.toString());
        return json(200, { url: `${this.endpoint}/${this.repository}` });
      case `POST /api/models/${this.repository}/preupload/main`:
        return json(200, { files: this.#uploadModes(JSON.parse(body.toString()).files) });
      case `POST /${this.repository}.git/info/lfs/objects/batch`:
        return json(200, this.#places(JSON.parse(body.toString()).objects));
      case `POST /verify`: {
        const { oid, size } = JSON.parse(body.toString());
        return json(this.objects.get(oid)?.length === size ? 200 : 404, {});
      }
      case `POST /api/models/${this.repository}/commit/main`:
        this.#commit(body.toString());
        return json(200, { commitUrl: `${this.endpoint}/${this.repository}/commit/abc`, commitOid: "abc" });
      default:
        return json(404, { error: "Repository not found" });
    }
  }

  #uploadModes(files: readonly { path: string; size: number; sample: string }[]) {
    return files.map(({ path, size, sample }) => {
      const bytes = Buffer.from(sample, "base64");
      if (bytes.length !== Math.min(size, 512))
        throw new Error(`a sample of ${bytes.length} bytes of ${size}`);
      return { path, uploadMode: /\.(safetensors|gguf)$/.test(path) ? "lfs" : "regular" };
    });
  }

  #places(objects: readonly { oid: string; size: number }[]) {
    return {
      objects: objects.map(({ oid, size }) => {
        if (this.objects.has(oid)) return { oid, size };
        const href = `${this.endpoint}/storage/${oid}`;
        const verify = { href: `${this.endpoint}/verify` };
        if (size <= this.partBytes) return { oid, size, actions: { upload: { href }, verify } };
        const count = Math.ceil(size / this.partBytes);
        const places = Array.from({ length: count }, (_, index): [string, string] => {
          const part = String(index + 1).padStart(5, "0");
          return [part, `${href}?part=${part}`];
        });
        const header = { chunk_size: String(this.partBytes), ...Object.fromEntries(places) };
        return { oid, size, actions: { upload: { href: `${href}?part=all`, header } } };
      }),
    };
  }

  #store(oid: string, part: string | null, body: Buffer, response: ServerResponse): void {
    const keep = (bytes: Buffer): void => {
      const found = createHash("sha256").update(bytes).digest("hex");
      if (found !== oid) throw new Error(`expected ${oid}, found ${found}`);
      this.objects.set(oid, bytes);
    };
    if (part === null) keep(body);
    else if (part === "all") {
      const { parts } = JSON.parse(body.toString()) as { parts: { partNumber: number; etag: string }[] };
      keep(Buffer.concat(parts.map(({ etag }) => this.#parts.get(etag)!))); // a wrong ETag fails the request
    } else {
      const etag = `"${createHash("md5").update(body).digest("hex")}-${part}"`;
      this.#parts.set(etag, body);
      response.setHeader("etag", etag);
    }
    response.writeHead(200).end();
  }

  #commit(text: string): void {
    this.files.clear();
    for (const line of text.split("\n")) {
      const { key, value } = JSON.parse(line);
      if (key === "file") this.files.set(value.path, Buffer.from(value.content, value.encoding));
      if (key === "lfsFile") this.files.set(value.path, this.objects.get(value.oid)!);
    }
  }
}
