import { createHash } from "node:crypto";
import {
  decodeNarBundle,
  encodeNix32,
  fingerprint,
  MAX_BUNDLED_NAR_BYTES,
  parseNarHash,
  PublicKey,
  storePathFromBase,
} from "@gradient/protocol";
import { decompress } from "zstd-napi";

/** A line of an answer to a batch. */
export interface InfoLine {
  path: string;
  narHash: string;
  narSize: number;
  references: string[];
  signatures: string[];
  url: string;
  downloadSize: number;
  partialClosure?: string[];
}

const hashOf = (base: string) => base.slice(0, 32);

/** Fetches whole closures from a cache in few requests, believes nothing but a key, and counts. */
export class BatchClient {
  requests = 0;
  readonly #url: string;
  readonly #key: PublicKey;

  /** `url`: of the cache. */
  constructor(url: string, publicKey: string) {
    this.#url = url;
    this.#key = PublicKey.parse(publicKey);
  }

  async #post(path: string, body: string): Promise<Buffer> {
    this.requests += 1;
    const answer = await fetch(`${this.#url}/${path}`, { method: "POST", body });
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** The closure, references first. Throws when something is missing or not signed. */
  async closure(base: string): Promise<InfoLine[]> {
    const body = JSON.stringify({ hashes: [hashOf(base)], closure: true });
    const lines = parseLines(await this.#post("narinfos", body));
    const end = lines.pop();
    if (JSON.stringify(end) !== '{"missing":[]}') throw new Error(JSON.stringify(end));
    const infos = lines as InfoLine[];
    for (const info of infos) this.#check(info);
    return infos;
  }

  /** As Determinate Nix does: asks for paths, then for those that the answer names. */
  async closureByHints(base: string): Promise<InfoLine[]> {
    this.requests += 1;
    const about = await (await fetch(`${this.#url}/nix-cache-info`)).text();
    const endpoint = /^GetNarInfosV1: (?<path>.*)$/m.exec(about)?.groups?.["path"] ?? "";
    const found = new Map<string, InfoLine>();
    let open = [base];
    while (open.length > 0) {
      const answer = await this.#post(endpoint, `${open.map(hashOf).join("\n")}\n`);
      const next = new Set<string>();
      for (const info of parseLines(answer) as InfoLine[]) {
        this.#check(info);
        found.set(info.path, info);
        for (const other of [...info.references, ...(info.partialClosure ?? [])]) next.add(other);
      }
      open = [...next].filter((each) => !found.has(each));
    }
    return [...found.values()];
  }

  /** The NARs of the paths by path, each checked. */
  async nars(infos: readonly InfoLine[]): Promise<Map<string, Buffer>> {
    const byHash = new Map<string, Buffer>();
    const open = infos.filter(({ narSize }) => narSize <= MAX_BUNDLED_NAR_BYTES);
    for (let rest = open; rest.length > 0;) {
      const body = JSON.stringify({ hashes: rest.map(({ path }) => hashOf(path)) });
      for (const { narHash, bytes } of decodeNarBundle(await this.#post("nars", body))) {
        byHash.set(`sha256:${narHash}`, checked(narHash, decompress(bytes)));
      }
      const left = rest.filter(({ narHash }) => !byHash.has(parseNarHash(narHash)));
      if (left.length === rest.length) throw new Error(`${left.length} NARs do not come`);
      rest = left;
    }
    return new Map(
      infos.map(({ path, narHash }) => [
        path,
        byHash.get(parseNarHash(narHash)) ?? Buffer.alloc(0),
      ]),
    );
  }

  #check(info: InfoLine): void {
    const text = fingerprint({
      path: storePathFromBase(info.path),
      narHash: parseNarHash(info.narHash),
      narSize: info.narSize,
      references: info.references.map(storePathFromBase),
    });
    if (info.signatures.some((each) => this.#key.verifies(text, each))) return;
    throw new Error(`${info.path} is not signed`);
  }
}

function parseLines(text: Buffer): unknown[] {
  return text
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

function checked(narHash: string, nar: Buffer): Buffer {
  if (encodeNix32(createHash("sha256").update(nar).digest()) === narHash) return nar;
  throw new Error(`NAR ${narHash} is damaged`);
}
