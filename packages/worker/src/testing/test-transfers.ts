import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import {
  decodeNarBundle,
  drvPathListSchema,
  narHashListSchema,
  narHashOf,
  parseDerivation,
  pathListSchema,
  publishPathsSchema,
  singleFileNar,
  STAGED_BYTES_HEADER,
  storePathBase,
  storePathFromBase,
  parseStorePath,
  type PathFacts,
} from "@gradient/protocol";
import { extract } from "tar-stream";
import { compress, decompress } from "zstd-napi";

const NAR_MISMATCH = { code: "nar_mismatch", error: "the NAR is not what its address says" };

/** What came over HTTP. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly assignment: string | undefined;
}

/** The bulk side of a coordinator: verifies, keeps in memory, and fails when it is told to. */
export class TestTransfers {
  token = "";
  readonly requests: SeenRequest[] = [];
  /** Compressed NARs by hash (52 characters). */
  readonly nars = new Map<string, Buffer>();
  readonly paths = new Map<string, PathFacts>();
  /** Base names, in the order in which they came. */
  readonly derivations: string[] = [];
  readonly drvFiles = new Map<string, Buffer>();
  /** Compressed bytes of uploads that broke off, by hash. */
  readonly staged = new Map<string, Buffer>();
  /** Its object store, `http://HOST`; null when it has none. */
  store: string | null = null;
  /** What was put there, by the path of its address. */
  readonly objects = new Map<string, Buffer>();
  /** Answers the next requests that fit with these. */
  readonly faults: { method: string; path: RegExp; status: number; body: unknown }[] = [];

  /** Holds a path with these uncompressed NAR bytes in the caches. */
  hold(facts: PathFacts, compressedNar: Buffer): void {
    this.paths.set(facts.path, facts);
    this.nars.set(facts.narHash.slice("sha256:".length), compressedNar);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    const path = url.replace(/^\/proto/, "");
    const assignment = request.headers["x-gradient-assignment"];
    this.requests.push({ method, path, assignment: String(assignment) });
    const at = this.faults.findIndex((each) => each.method === method && each.path.test(path));
    const [fault] = at < 0 ? [] : this.faults.splice(at, 1);
    if (fault) {
      request.resume();
      answer(response, fault.status, fault.body);
    } else if (request.headers.authorization !== `Bearer ${this.token}`) {
      request.resume();
      answer(response, 401, { code: "unauthorized", error: "the session is over" });
    } else {
      await this.#route(request, response, `${method} ${path}`);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse, route: string): Promise<void> {
    const nar = /^(GET|HEAD|PUT) \/nar\/([0-9a-z]{52})(?:\?size=(\d+)(?:&offset=(\d+))?)?$/.exec(
      route,
    );
    if (nar) {
      const [, method = "", hash = "", size = "0", offset = "0"] = nar;
      const expected = { hash, size: Number(size), offset: Number(offset) };
      if (method === "PUT") await this.#takeNar(request, response, expected);
      else this.#giveNar(response, { hash, range: request.headers.range });
      return;
    }
    const body = await buffer(request);
    const direct = /^POST \/nar\/([0-9a-z]{52})\/(ticket|staged)\?/.exec(route);
    if (direct) {
      const [, hash = "", step] = direct;
      if (step === "ticket") answer(response, 200, { url: `${this.store}/${hash}?signature=x` });
      else this.#takeObject(response, hash);
      return;
    }
    switch (route) {
      case "POST /nars/held": {
        const { narHashes } = narHashListSchema.parse(json(body));
        const isHeld = (narHash: string) => this.nars.has(narHash.slice("sha256:".length));
        const offered = this.store === null ? {} : { directFromBytes: 2 * 1024 * 1024 };
        return answer(response, 200, { held: narHashes.filter(isHeld), ...offered });
      }
      case "PUT /nars": {
        const nars = decodeNarBundle(body);
        for (const { narHash, narSize, bytes } of nars) {
          const nar = decompress(Buffer.from(bytes));
          if (sha256(nar) !== `sha256:${narHash}` || nar.length !== narSize) {
            return answer(response, 422, NAR_MISMATCH);
          }
          this.nars.set(narHash, Buffer.from(bytes));
        }
        return answer(response, 200, { accepted: nars.length });
      }
      case "POST /closure":
        return answer(response, 200, this.#closure(pathListSchema.parse(json(body)).paths));
      case "POST /paths":
        for (const facts of publishPathsSchema.parse(json(body)).paths) this.#publish(facts);
        response.writeHead(204).end();
        return;
      case "POST /derivations/unknown": {
        const { drvPaths } = drvPathListSchema.parse(json(body));
        const unknown = drvPaths.filter((each) => !this.drvFiles.has(base(each)));
        return answer(response, 200, { unknown });
      }
      case "PUT /derivations":
        return answer(response, 200, { accepted: await this.#takeBundle(body) });
      default:
        return answer(response, 404, { code: "not_found", error: `no route ${route}` });
    }
  }

  async #takeNar(
    request: IncomingMessage,
    response: ServerResponse,
    expected: { hash: string; size: number; offset: number },
  ): Promise<void> {
    const kept = this.staged.get(expected.hash) ?? Buffer.alloc(0);
    if (expected.offset !== 0 && expected.offset !== kept.length) {
      request.resume();
      answer(response, 409, { code: "wrong_offset", error: `${kept.length} bytes are kept` });
      return;
    }
    const before = kept.subarray(0, expected.offset);
    const file = Buffer.concat([before, await buffer(request)]);
    const nar = decompress(file);
    const narHash = sha256(nar);
    if (narHash !== `sha256:${expected.hash}` || nar.length !== expected.size) {
      answer(response, 422, NAR_MISMATCH);
      return;
    }
    this.nars.set(expected.hash, file);
    const fileHash = sha256(file);
    answer(response, 200, { narHash, narSize: nar.length, fileHash, fileSize: file.length });
  }

  #takeObject(response: ServerResponse, hash: string): void {
    const file = this.objects.get(`/${hash}`);
    this.objects.delete(`/${hash}`);
    const nar = file && decompress(file);
    if (!file || !nar || sha256(nar) !== `sha256:${hash}`) {
      answer(response, file ? 422 : 409, NAR_MISMATCH);
      return;
    }
    this.nars.set(hash, file);
    const fileHash = sha256(file);
    answer(response, 200, {
      narHash: `sha256:${hash}`,
      narSize: nar.length,
      fileHash,
      fileSize: file.length,
    });
  }

  #giveNar(
    response: ServerResponse,
    { hash, range }: { hash: string; range: string | undefined },
  ): void {
    const nar = this.nars.get(hash);
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    if (!nar) {
      response.setHeader(STAGED_BYTES_HEADER, this.staged.get(hash)?.length ?? 0);
      answer(response, 404, { code: "not_found", error: `no cache has the NAR ${hash}` });
    } else if (start > 0) {
      const contentRange = `bytes ${start}-${nar.length - 1}/${nar.length}`;
      response.writeHead(206, { "content-range": contentRange }).end(nar.subarray(start));
    } else {
      response.end(nar);
    }
  }

  #publish(facts: PathFacts): void {
    if (!this.nars.has(facts.narHash.slice("sha256:".length))) throw new Error("NAR is not there");
    for (const path of facts.references) {
      if (path !== facts.path && !this.paths.has(path)) throw new Error(`${path} is not visible`);
    }
    this.paths.set(facts.path, facts);
  }

  #closure(paths: readonly string[]): { paths: PathFacts[]; missing: string[] } {
    const found = new Map<string, PathFacts>();
    const missing = new Set<string>();
    const visit = (path: string): void => {
      const facts = this.paths.get(path);
      if (found.has(path)) return;
      if (!facts) {
        missing.add(path);
        return;
      }
      for (const reference of facts.references) if (reference !== path) visit(reference);
      found.set(path, facts);
    };
    for (const path of paths) visit(path);
    return { paths: [...found.values()], missing: [...missing] };
  }

  /** A `.drv` is a path of the cache like any other: who builds it elsewhere needs it. */
  #holdDerivation(name: string, bytes: Buffer): void {
    const { inputDrvs, inputSrcs } = parseDerivation(bytes);
    const nar = singleFileNar(bytes);
    const facts: PathFacts = {
      path: storePathFromBase(name),
      narHash: sha256(nar),
      narSize: nar.length,
      references: [...inputDrvs.keys(), ...inputSrcs].toSorted(),
      deriver: null,
      ca: `text:${sha256(bytes)}`,
      signatures: [],
    };
    this.hold(facts, compress(nar));
  }

  async #takeBundle(bundle: Buffer): Promise<number> {
    const archive = extract();
    archive.end(decompress(bundle));
    let accepted = 0;
    for await (const entry of archive) {
      const { name } = entry.header;
      const bytes = await buffer(entry);
      this.drvFiles.set(name, bytes);
      this.derivations.push(name);
      this.#holdDerivation(name, bytes);
      accepted += 1;
    }
    return accepted;
  }
}

function sha256(bytes: Buffer): string {
  return narHashOf(createHash("sha256").update(bytes).digest());
}

function base(path: string): string {
  return storePathBase(parseStorePath(path));
}

function json(body: Buffer): unknown {
  return JSON.parse(body.toString("utf8"));
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
