import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { FormData, request } from "undici";
import { ApiError, type ApiClient } from "./api-client.ts";

export interface DispatchedSource {
  evaluation: string;
  project: string;
  commit: string;
  cache: string | null;
}

export interface SourceRequest {
  target?: string;
  system?: string;
  input_overrides?: readonly { input_name: string; url: string }[];
}

/** A file of a tree on disk; its path is relative to the tree. */
export interface TreeFile {
  path: string;
  bytes: Buffer;
  executable: boolean;
}

/** Sends sources as clients do. */
export class SourceClient {
  private readonly api: ApiClient;

  constructor(api: ApiClient) {
    this.api = api;
  }

  /** As the command line client without Nix: a list of the files, then those that are missing in one request, then the order to build. */
  async sendFiles(
    files: readonly TreeFile[],
    wanted: SourceRequest = {},
  ): Promise<DispatchedSource & { missing: number }> {
    const { session, missing } = await this.openSession(files);
    if (missing.length > 0) await this.sendBlobs(session, files, missing);
    const dispatched = await this.api.call<DispatchedSource>(
      "POST",
      `/build-requests/${session}/dispatch`,
      wanted,
    );
    return { ...dispatched, missing: missing.length };
  }

  openSession(files: readonly TreeFile[]): Promise<{ session: string; missing: string[] }> {
    return this.api.call("POST", "/build-requests/manifest", {
      organization: "acme",
      files: files.map(({ path, bytes, executable }) => ({
        path,
        hash: bytesToHex(blake3(bytes)),
        size: bytes.length,
        executable,
      })),
    });
  }

  sendBlobs(
    session: string,
    files: readonly TreeFile[],
    hashes: readonly string[],
  ): Promise<{ uploaded: number; remaining: number }> {
    const byHash = new Map(files.map(({ bytes }) => [bytesToHex(blake3(bytes)), bytes]));
    const form = new FormData();
    for (const hash of hashes) form.append(hash, new Blob([byHash.get(hash) ?? ""]), hash);
    return this.sendForm(`/build-requests/${session}/blobs`, form);
  }

  /** As the command line client with Nix: the NAR in slices, each from where the answer says. */
  async sendNar(
    nar: Buffer,
    sliceBytes: number,
    wanted: SourceRequest = {},
  ): Promise<DispatchedSource> {
    const upload = bytesToHex(blake3(nar));
    for (let offset = 0; offset < nar.length;) {
      const slice = nar.subarray(offset, offset + sliceBytes);
      const { received } = await this.sendChunk(upload, offset, slice);
      if (received <= offset) throw new Error(`the upload stands still at ${received}`);
      offset = received;
    }
    return this.api.call(
      "POST",
      `/build-requests/source/${upload}/finalize?organization=acme`,
      wanted,
    );
  }

  async sendChunk(upload: string, offset: number, bytes: Buffer): Promise<{ received: number }> {
    const path = `/build-requests/source/${upload}/chunk?offset=${offset}`;
    return this.send("PUT", path, bytes, { "content-type": "application/octet-stream" });
  }

  sendNarAtOnce(nar: Buffer, target: string): Promise<DispatchedSource> {
    const form = new FormData();
    form.append("nar", new Blob([nar]), "source.nar");
    form.append("target", target);
    return this.sendForm("/build-requests/source?organization=acme", form);
  }

  /** Resolves to the evaluation's id. */
  async buildDirectly(files: readonly TreeFile[], derivation: string): Promise<string> {
    const form = new FormData();
    form.append("organization", "acme");
    form.append("derivation", derivation);
    for (const { path, bytes } of files) form.append("files", new Blob([bytes]), path);
    const answer = await this.sendForm<string>("/builds", form);
    return answer.replace("Direct build started with evaluation ID: ", "");
  }

  private sendForm<T>(path: string, form: FormData): Promise<T> {
    return this.send("POST", path, form);
  }

  private async send<T>(
    method: "PUT" | "POST",
    path: string,
    body: Buffer | FormData,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const answer = await request(`${this.api.url}/api/v1${path}`, {
      method,
      headers: { ...this.authorization(), ...headers },
      body,
    });
    const text = await answer.body.text();
    await this.api.answers.check(method, path, answer, text);
    return messageOf(answer.statusCode, text);
  }

  private authorization(): Record<string, string> {
    return this.api.token === null ? {} : { authorization: `Bearer ${this.api.token}` };
  }
}

function messageOf<T>(status: number, text: string): T {
  const envelope = JSON.parse(text) as { error: boolean; code?: string; message: T };
  if (!envelope.error) return envelope.message;
  throw new ApiError(status, envelope.code ?? "", String(envelope.message));
}

/** All files below a directory. */
export async function readTree(directory: string): Promise<TreeFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.map(async (path) => ({
      path: path.slice(directory.length + 1),
      bytes: await readFile(path),
      executable: ((await stat(path)).mode & 0o100) !== 0,
    })),
  );
}
