import { formatNarInfo, storePathHash } from "@gradient/protocol";
import { expect } from "vitest";
import { uploadOf, file, nar, type Upload } from "../http/routes/cache/uploads.test-support.ts";
import type { CommandLine } from "./cli.test-support.ts";

const PASSWORD = "Seven-otters-4-tea";

/** A farm of Alice, who is its superuser, with nothing else in it. */
export async function makeFarm(line: CommandLine, dataDir: string): Promise<void> {
  const who = "--username alice --name Alice --email alice@example.org --superuser".split(" ");
  const password = ["--password-file", line.file(PASSWORD)];
  await line.done(["user", "create", "--data-dir", dataDir, ...who, ...password]);
}

/** Runs the coordinator on a farm of Alice for as long as she does something there. */
export async function serve(
  line: CommandLine,
  dataDir: string,
  act: (alice: Visitor) => Promise<void>,
  flags: readonly string[] = [],
): Promise<void> {
  const args = `serve --data-dir ${dataDir} --listen 127.0.0.1:0 --log-level silent`.split(" ");
  const run = await line.run([...args, "--rate-limits", "false", ...flags], {
    text: "\n",
    act: async (out) => act(await Visitor.logIn(/http:\S+/.exec(out)?.[0] ?? "")),
  });
  expect(run).toMatchObject({ exitCode: 0, err: "" });
}

/** What a cache answers for a path. */
export interface ServedPath {
  readonly narinfo: string;
  readonly bytes: Buffer;
}

/** Somebody who is signed in. */
export class Visitor {
  readonly #url: string;
  readonly #token: string;

  private constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  static async logIn(url: string): Promise<Visitor> {
    const answer = await fetch(`${url}/api/v1/auth/basic/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ loginname: "alice", password: PASSWORD }),
    });
    if (!answer.ok) throw new Error(`login: ${answer.status} ${await answer.text()}`);
    return new Visitor(url, String(Object(await answer.json()).message));
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- tests assert on whatever is answered
  async api(method: string, path: string, content?: unknown): Promise<any> {
    const headers = { "content-type": "application/json", authorization: `Bearer ${this.#token}` };
    const body = content === undefined ? {} : { body: JSON.stringify(content) };
    const answer = await fetch(`${this.#url}/api/v1${path}`, { method, headers, ...body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text === "" ? null : Object(JSON.parse(text)).message;
  }

  async makeCache(): Promise<void> {
    await this.api("PUT", "/caches", { name: "main", display_name: "Main", public: true });
  }

  /** Fills the cache with a path that has these contents. */
  async put(upload: Upload): Promise<void> {
    await this.#send(`/cache/main/nar/${upload.fileName}`, upload.bytes);
    const narinfo = formatNarInfo(upload.info);
    await this.#send(`/cache/main/${storePathHash(upload.info.path)}.narinfo`, narinfo);
  }

  async #send(path: string, body: Buffer | string): Promise<void> {
    const answer = await fetch(`${this.#url}${path}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${this.#token}` },
      body: new Blob([new Uint8Array(Buffer.from(body))]),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }

  /** null for a path that the cache does not show. What it shows has to have its NAR. */
  async served(hash: string): Promise<ServedPath | null> {
    const answer = await fetch(`${this.#url}/cache/main/${hash}.narinfo`);
    const narinfo = await answer.text();
    if (answer.status === 404) return null;
    const place = /^URL: (.*)$/m.exec(narinfo)?.[1];
    const found = await fetch(`${this.#url}/cache/main/${place}`);
    if (!found.ok) throw new Error(`${place}: ${found.status}\n${narinfo}`);
    return { narinfo, bytes: Buffer.from(await found.arrayBuffer()) };
  }
}

/** A path that cannot be mistaken for another one's. */
export function uploadWith(contents: string): Upload {
  return uploadOf(nar(file(contents)));
}
