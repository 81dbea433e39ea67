import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { extract } from "tar-stream";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decompress } from "zstd-napi";
import type { BuildItem } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";

/** Makes a file, a page and a directory, and says so where Hydra's users say it. */
const SCRIPT = [
  "bb=${seed}/busybox",
  "$bb mkdir -p $out/nix-support $out/share/doc",
  "$bb head -c 300000 /dev/urandom > $out/disk.img",
  "$bb ln -s disk.img $out/latest.img",
  "echo '<h1>report</h1>' > $out/report.html",
  "echo first > $out/share/doc/a.txt",
  "echo 'echo second' > $out/share/doc/run",
  "$bb chmod +x $out/share/doc/run",
  "$bb ln -s a.txt $out/share/doc/link",
  '{ echo "file img $out/disk.img"; echo "file link $out/latest.img"; echo "report html $out/report.html"; echo "doc manual $out/share/doc"; } > $out/nix-support/hydra-build-products',
].join("\n");

interface ArtefactTree {
  evaluation: string;
  entry_points: {
    attr: string;
    build_id: string;
    outputs: { name: string; store_path: string; products: { path: string; name: string }[] }[];
  }[];
}

describe("what a build made for people", () => {
  let farm: TestFarm;
  let worker: TestWorker;
  let evaluation: string;
  let build: BuildItem;
  /** Where the worker's store has the output. */
  let output: string;

  beforeAll(async () => {
    farm = await TestFarm.start();
    worker = await farm.addWorker("alpha");
    const body = `{ thing = mk "thing" ''\n${SCRIPT}\n'' { }; }`;
    const project = await farm.addFilesProject("artefacts", "*", {
      "default.nix": expression(body),
    });
    evaluation = await farm.evaluate(project);
    const ended = await farm.ended(evaluation, 110_000);
    if (ended.status !== "Completed") throw new Error(farm.logs());
    const builds = await farm.api.builds(evaluation);
    const found = builds.find((each) => each.name.endsWith("-thing.drv"));
    if (found === undefined) throw new Error("there is no build of thing");
    build = found;
    const { output: outputs } = await farm.api.build(build.id);
    output = join(worker.root.directory, "nix/store", outputs["out"] ?? "");
  }, 120_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  /** Bytes at a path of the API, with the headers that came with them. */
  async function download(path: string, token: string | null = farm.api.token) {
    const { statusCode, headers, body } = await request(`${farm.url}/api/v1${path}`, {
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
    const bytes = Buffer.from(await body.arrayBuffer());
    await farm.api.answers.check("GET", path, { statusCode, headers }, bytes.toString());
    return { statusCode, headers, bytes };
  }

  test("is found from the evaluation, as the command line finds it", async () => {
    const tree = await farm.api.call<ArtefactTree>("GET", `/evals/${evaluation}/artefacts`);
    expect(tree.evaluation).toBe(evaluation);
    const [entry] = tree.entry_points;
    expect([entry?.attr, entry?.build_id]).toEqual(["thing", build.id]);
    const names = entry?.outputs[0]?.products.map(({ name }) => name);
    expect(names).toEqual(["disk.img", "latest.img", "report.html", "doc"]);
    expect(build).toMatchObject({ has_artefacts: true });
  });

  test("a file comes with exactly the bytes of the worker's store", async () => {
    const bytes = await readFile(join(output, "disk.img"));
    for (const name of ["disk.img", "latest.img"]) {
      const answer = await download(`/builds/${build.id}/download/${name}`);
      expect([answer.statusCode, answer.headers["content-length"]]).toEqual([200, "300000"]);
      expect(answer.bytes.equals(bytes)).toBe(true);
    }
    const list = await farm.api.call<{ name: string; size: number }[]>(
      "GET",
      `/builds/${build.id}/downloads`,
    );
    expect(list.find(({ name }) => name === "disk.img")?.size).toBe(bytes.length);
  });

  test("a report is shown, and can do nothing", async () => {
    const answer = await download(`/builds/${build.id}/download/report.html`);
    expect(answer.headers["content-disposition"]).toBe('inline; filename="report.html"');
    expect(answer.headers["content-security-policy"]).toContain("sandbox");
    expect(answer.bytes.equals(await readFile(join(output, "report.html")))).toBe(true);
  });

  test("a directory comes as an archive with everything that is in it", async () => {
    const answer = await download(`/builds/${build.id}/download/doc`);
    expect(answer.headers["content-type"]).toBe("application/zstd");
    const entries: Record<string, string> = {};
    for await (const entry of Readable.from([decompress(answer.bytes)]).pipe(extract())) {
      const pieces: Uint8Array[] = [];
      for await (const piece of entry) pieces.push(piece as Uint8Array);
      const { name, type, mode, linkname } = entry.header;
      entries[name] =
        `${type} ${mode?.toString(8)} ${linkname ?? ""}${Buffer.concat(pieces).toString()}`;
    }
    expect(Object.keys(entries)).toEqual([
      "doc/",
      ...(await readdir(join(output, "share/doc"))).toSorted().map((name) => `doc/${name}`),
    ]);
    expect(entries["doc/a.txt"]).toBe("file 644 first\n");
    expect(entries["doc/run"]).toBe("file 755 echo second\n");
    expect(entries["doc/link"]).toBe("symlink 777 a.txt");
  });

  test("the archive is one that tar and zstd of the system read", async () => {
    const answer = await download(`/builds/${build.id}/download/doc`);
    const directory = await mkdtemp(join(tmpdir(), "artefacts-"));
    try {
      const unpacking = promisify(execFile)("tar", ["-x", "-C", directory]);
      unpacking.child.stdin?.end(decompress(answer.bytes));
      await unpacking;
      expect(await readFile(join(directory, "doc/link"), "utf8")).toBe("first\n");
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("a link opens it without an account, and another one stays the same for the newest build", async () => {
    const token = await farm.api.call<string>("GET", `/builds/${build.id}/download-token`);
    const path = `/builds/${build.id}/download/disk.img`;
    expect((await download(path, null)).statusCode).toBe(401);
    expect((await download(`${path}?token=${token}`, null)).bytes).toHaveLength(300_000);
    const permanent = `/projects/acme/artefacts/entry-point-downloads?eval=thing&filename=disk.img`;
    expect((await download(permanent, null)).statusCode).toBe(404);
    const linked = await download(`${permanent}&token=${farm.api.token}`, null);
    expect(linked.bytes.equals(await readFile(join(output, "disk.img")))).toBe(true);
  });

  test("a second evaluation, which builds nothing, has it, too", async () => {
    const again = await farm.evaluate("artefacts");
    expect((await farm.ended(again, 60_000)).status).toBe("Completed");
    const [item] = await farm.api.builds(again);
    expect(item).toMatchObject({ has_artefacts: true });
    const answer = await download(`/builds/${item?.id}/download/disk.img`);
    expect(answer.bytes).toHaveLength(300_000);
  }, 70_000);
});
