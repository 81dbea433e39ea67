import { decodeNarBundle, parseNarHash } from "@gradient/protocol";
import { request } from "undici";
import type { TestFarm } from "../support/farm.ts";
import { uploadClosure } from "./cache-copy.ts";
import type { Row } from "./report.ts";

const PATHS = 3600;
const HASH_AT = "/nix/store/".length;

/** What a client of the batch routes needs for all narinfos and NARs of a closure, knowing its top. */
export async function batchRows(farm: TestFarm): Promise<Row[]> {
  const closure = await uploadClosure(farm, PATHS);
  const top = closure.at(-1) ?? "";
  const start = performance.now();
  const hashes = await narHashesOf(farm, top);
  if (hashes.size !== PATHS) throw new Error(`the closure has ${hashes.size} paths`);
  let requests = 1;
  for (const open = new Map(hashes); open.size > 0; requests += 1) {
    const bundle = await post(farm, "nars", { hashes: [...open.values()] });
    const nars = decodeNarBundle(bundle);
    if (nars.length === 0) throw new Error(`${open.size} NARs do not come`);
    for (const { narHash } of nars) open.delete(`sha256:${narHash}`);
  }
  const seconds = (performance.now() - start) / 1000;
  process.stdout.write(`  batches: ${PATHS} paths of 20 kB in ${seconds.toFixed(2)} s\n`);
  return [
    {
      what: `requests for a closure of ${PATHS} paths in batches`,
      unit: "",
      ours: requests,
      theirs: null,
      against: "limit",
      better: "less",
      target: 24,
    },
  ];
}

/** Hash parts of the closure's paths by their NARs' hashes. */
async function narHashesOf(farm: TestFarm, top: string): Promise<Map<string, string>> {
  const body = { hashes: [top.slice(HASH_AT, HASH_AT + 32)], closure: true };
  const lines = (await post(farm, "narinfos", body)).toString("utf8").trim().split("\n");
  const infos = lines
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { path: string; narHash: string });
  return new Map(infos.map(({ path, narHash }) => [parseNarHash(narHash), path.slice(0, 32)]));
}

async function post(farm: TestFarm, path: string, body: object): Promise<Buffer> {
  const answer = await request(`${farm.url}/cache/main/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${String(bytes)}`);
  return bytes;
}
