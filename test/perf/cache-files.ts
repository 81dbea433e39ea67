import { createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { request } from "undici";

/** Copies what the server says of a URL path to the same place below a directory. */
export async function download(server: string, path: string, files: string): Promise<void> {
  const response = await request(`${server}${path}`);
  if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}`);
  const file = join(files, path);
  await mkdir(dirname(file), { recursive: true });
  await pipeline(response.body, createWriteStream(file));
}

/** Copies narinfo and NAR of a store path. Resolves to where they are below the server. */
export async function downloadPath(
  server: string,
  storePath: string,
  files: string,
): Promise<{ narinfo: string; nar: string }> {
  const hash = storePath.replace("/nix/store/", "").slice(0, 32);
  const narinfo = `/cache/main/${hash}.narinfo`;
  await download(server, narinfo, files);
  const url = /^URL: (.*)$/m.exec(await readFile(join(files, narinfo), "utf8"))?.[1];
  const nar = `/cache/main/${url}`;
  await download(server, nar, files);
  return { narinfo, nar };
}
