import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import {
  encodeNix32,
  organizationIdSchema,
  singleFileNar,
  type OrganizationId,
} from "@gradient/protocol";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { v7 } from "uuid";
import { compress } from "zstd-napi";
import { systemClock } from "../clock.ts";
import { openDatabase, type Database } from "../db/client.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { organizationRow } from "../db/rows.test-support.ts";
import { prepareHasUploaded } from "../db/nar-possession-repository.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { NarFiles } from "../storage/nar-files.ts";
import { narOfText } from "../test-objects.test-support.ts";
import { readNar } from "../nar-contents/read-nar.ts";
import { NarIntake, type NarUpload } from "./nar-intake.ts";

let dataDir: string;
let database: Database;
let files: NarFiles;
let intake: NarIntake;
let nar: Buffer;
let organization: OrganizationId;
let claim: { narHash: string; narSize: number };

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "farm-nar-"));
  database = await openDatabase(join(dataDir, "farm.sqlite"));
  files = await NarFiles.open(dataDir);
  intake = new NarIntake(intakeOptions());
  organization = await addOrganization();
  nar = await narOfText("text ".repeat(100_000));
  claim = claimOf(nar);
});

afterEach(async () => {
  await files[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true });
});

function intakeOptions() {
  const findNarObject = prepareFindNarObject(database);
  return {
    database,
    files,
    findNarObject,
    possesses: prepareHasUploaded(database),
    clock: systemClock,
  };
}

async function addOrganization(): Promise<OrganizationId> {
  const id = organizationIdSchema.parse(v7());
  await database.kysely
    .insertInto("organizations")
    .values(organizationRow({ id, name: id }))
    .execute();
  return id;
}

function upload(body: AsyncIterable<Uint8Array>, change: Partial<NarUpload> = {}): NarUpload {
  return { organization, body, name: "upload", offset: 0, ...change };
}

function claimOf(bytes: Buffer) {
  return {
    narHash: encodeNix32(createHash("sha256").update(bytes).digest()),
    narSize: bytes.length,
  };
}

async function* chunked(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function kept(): Promise<string[]> {
  const names = await readdir(join(dataDir, "nar"), { recursive: true });
  return names.filter((name) => !["drafts", "staged"].includes(name) && name.length > 2);
}

test("a NAR that is as claimed is kept as it came, with the facts of its compressed form", async () => {
  const body = compress(nar);
  const object = await intake.take(claim, upload(chunked(body)));
  expect(object).toMatchObject({ ...claim, fileSize: body.length, foundHashes: [] });
  expect(object.fileHash).toBe(encodeNix32(createHash("sha256").update(body).digest()));
  expect(await readFile(files.file(claim.narHash))).toEqual(body);
  const pieces: Buffer[] = [];
  for await (const piece of readNar(files, claim.narHash)) pieces.push(Buffer.from(piece));
  expect(Buffer.concat(pieces)).toEqual(nar);
});

test("a large NAR is taken and refused by the same rules", async () => {
  const large = await narOfText(randomBytes(6 * 1024 * 1024).toString("hex"));
  const body = compress(large);
  const cut = upload(chunked(body.subarray(0, -5)));
  await expect(intake.take(claimOf(large), cut)).rejects.toMatchObject({ code: "bad_zstd" });
  const wrong = { ...claimOf(large), narHash: claim.narHash };
  await expect(intake.take(wrong, upload(chunked(body)))).rejects.toMatchObject({
    code: "nar_hash_mismatch",
  });
  expect(await kept()).toEqual([]);
  const object = await intake.take(claimOf(large), upload(chunked(body)));
  expect(object).toMatchObject({ ...claimOf(large), fileSize: body.length });
  // By bytes: a comparison that can show the difference takes minutes.
  expect(body.equals(await readFile(files.file(object.narHash)))).toBe(true);
});

test("whatever byte is changed, nothing is kept", async () => {
  const body = compress(nar);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(body.length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, change) => {
        const damaged = Buffer.from(body);
        damaged.writeUInt8(damaged.readUInt8(at) ^ change, at);
        // Some bits of a frame's header mean nothing to its contents.
        const outcome = await intake.take(claim, upload(chunked(damaged))).then(
          () => "taken",
          (error: unknown) => error,
        );
        if (outcome === "taken") await database.kysely.deleteFrom("nar_objects").execute();
        else expect(outcome).toMatchObject({ status: 422 });
      },
    ),
    { numRuns: 60 },
  );
});

test.each([
  ["cut off", (body: Buffer) => body.subarray(0, -5)],
  ["not zstd", () => Buffer.from("hello")],
  ["followed by something else", (body: Buffer) => Buffer.concat([body, Buffer.from("x")])],
  ["empty", () => Buffer.alloc(0)],
  ["no archive", () => compress(Buffer.from("hello"))],
])("a body that is %s is refused and nothing is kept", async (_what, change) => {
  await expect(intake.take(claim, upload(chunked(change(compress(nar)))))).rejects.toMatchObject({
    status: 422,
  });
  expect(await kept()).toEqual([]);
});

test("more than was announced is refused long before its end: a bomb does not go off", async () => {
  const bomb = compress(Buffer.concat([nar, Buffer.alloc(200 * 1024 * 1024)]));
  const before = process.memoryUsage().rss;
  await expect(intake.take(claim, upload(chunked(bomb)))).rejects.toMatchObject({
    code: expect.stringMatching(/nar/),
  });
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
});

test("another hash or size than announced is refused with both", async () => {
  const other = await narOfText("other");
  await expect(
    intake.take({ ...claimOf(other), narSize: nar.length }, upload(chunked(compress(nar)))),
  ).rejects.toThrow(`sha256:${claim.narHash}, not sha256:${claimOf(other).narHash}`);
  await expect(
    intake.take({ ...claim, narSize: nar.length + 1 }, upload(chunked(compress(nar)))),
  ).rejects.toThrow(`${nar.length} bytes, not ${nar.length + 1}`);
  expect(await kept()).toEqual([]);
});

test("of several uploads of the same NAR at once, row and file are from the same one", async () => {
  const forms = [1, 2, 3, 4].map((level) => compress(nar, { compressionLevel: level * 4 }));
  const objects = await Promise.all(
    forms.map((form) => intake.take(claim, upload(chunked(form, 100)))),
  );
  const stored = await readFile(files.file(claim.narHash));
  const row = prepareFindNarObject(database)(claim.narHash);
  expect(row?.fileHash).toBe(encodeNix32(createHash("sha256").update(stored).digest()));
  expect(new Set(objects.map(({ fileHash }) => fileHash))).toEqual(new Set([row?.fileHash]));
  expect(await readdir(join(dataDir, "nar", "drafts"))).toEqual([]);
});

test("a body that breaks off leaves nothing", async () => {
  const broken = async function* (): AsyncGenerator<Buffer> {
    yield compress(nar).subarray(0, 50);
    throw new Error("connection reset");
  };
  await expect(intake.take(claim, upload(broken()))).rejects.toThrow("connection reset");
  expect(await kept()).toEqual([]);
});

describe("an upload that broke off", () => {
  let large: Buffer;
  let body: Buffer;

  beforeEach(() => {
    large = singleFileNar(randomBytes(3_000_000));
    body = compress(large);
  });

  async function* broken(end: number): AsyncGenerator<Buffer> {
    yield* chunked(body.subarray(0, end), 65_536);
    throw new Error("connection reset");
  }

  test("goes on behind what is kept, also after a restart, and is checked as a whole", async () => {
    const claimed = claimOf(large);
    await expect(intake.take(claimed, upload(broken(2_000_000)))).rejects.toThrow("reset");
    await files[Symbol.asyncDispose]();
    files = await NarFiles.open(dataDir);
    const again = new NarIntake({ ...intakeOptions(), files });
    expect(await files.stagedBytes("upload")).toBe(2_000_000);
    const rest = upload(chunked(body.subarray(2_000_000), 65_536), { offset: 2_000_000 });
    const object = await again.take(claimed, rest);
    expect(object.fileHash).toBe(claimOf(body).narHash);
    expect((await readFile(files.file(object.narHash))).equals(body)).toBe(true);
    expect(await files.stagedBytes("upload")).toBe(0);
  });

  test("goes on only where it broke off, and nothing is kept when the whole is wrong", async () => {
    const claimed = claimOf(large);
    await expect(intake.take(claimed, upload(broken(2_000_000)))).rejects.toThrow("reset");
    const gap = upload(chunked(body.subarray(2_500_000)), { offset: 2_500_000 });
    await expect(intake.take(claimed, gap)).rejects.toMatchObject({ code: "wrong_offset" });
    const other = randomBytes(body.length - 2_000_000);
    const wrong = upload(chunked(other), { offset: 2_000_000 });
    await expect(intake.take(claimed, wrong)).rejects.toMatchObject({ status: 422 });
    expect(await files.stagedBytes("upload")).toBe(0);
    expect(await kept()).toEqual([]);
  });

  test("is removed when nobody goes on with it", async () => {
    await expect(intake.take(claimOf(large), upload(broken(2_000_000)))).rejects.toThrow("reset");
    await files.removeStaged(Date.now() - 60_000);
    expect(await files.stagedBytes("upload")).toBe(2_000_000);
    await files.removeStaged(Date.now() + 60_000);
    expect(await files.stagedBytes("upload")).toBe(0);
  });

  test("is not kept when it was short", async () => {
    await expect(intake.take(claimOf(large), upload(broken(100_000)))).rejects.toThrow("reset");
    expect(await files.stagedBytes("upload")).toBe(0);
  });
});

test("a NAR that only others have uploaded is checked like a new one", async () => {
  const body = compress(nar);
  await intake.take(claim, upload(chunked(body)));
  // Once it is known that the organization has the bytes, they are not looked at again.
  await intake.take(claim, upload(chunked(Buffer.from("anything"))));
  organization = await addOrganization();
  await expect(intake.take(claim, upload(chunked(Buffer.from("anything"))))).rejects.toMatchObject({
    status: 422,
  });
  await intake.take(claim, upload(chunked(body)));
  await intake.take(claim, upload(chunked(Buffer.from("anything"))));
});

describe("a bundle of NARs", () => {
  async function bundle(texts: readonly string[]) {
    return Promise.all(
      texts.map(async (text) => {
        const bytes = await narOfText(text);
        return { ...claimOf(bytes), bytes: compress(bytes) };
      }),
    );
  }

  test("is kept as if each had come by itself", async () => {
    const nars = await bundle(["one", "two", "three", "one"]);
    await intake.takeBundle(organization, nars);
    for (const { narHash, narSize, bytes } of nars) {
      expect(await readFile(files.file(narHash))).toEqual(bytes);
      expect(prepareFindNarObject(database)(narHash)).toMatchObject({ narSize });
      expect(prepareHasUploaded(database)(organization, narHash)).toBe(true);
    }
  });

  test("with one that is not as announced is refused as a whole, and names it", async () => {
    const [first, second, third] = await bundle(["one", "two", "three"]);
    if (!first || !second || !third) throw new Error("three were made");
    const bad = [
      { ...second, narSize: second.narSize + 1 },
      { ...second, bytes: third.bytes },
      { ...second, bytes: second.bytes.subarray(0, -3) },
      { ...second, bytes: Buffer.from("no zstd") },
    ];
    for (const each of bad) {
      const taking = intake.takeBundle(organization, [first, each, third]);
      await expect(taking).rejects.toMatchObject({
        status: 422,
        message: expect.stringContaining(`NAR sha256:${second.narHash}`),
      });
    }
    expect(await kept()).toEqual([]);
  });

  test("with what another organization has is checked: knowing a hash is not enough", async () => {
    const [nar] = await bundle(["secret"]);
    if (!nar) throw new Error("one was made");
    await intake.takeBundle(organization, [nar]);
    const other = await addOrganization();
    const guess = { ...nar, bytes: compress(await narOfText("guess!")) };
    await expect(intake.takeBundle(other, [guess])).rejects.toMatchObject({ status: 422 });
    expect(prepareHasUploaded(database)(other, nar.narHash)).toBe(false);
    await intake.takeBundle(other, [nar]);
    expect(prepareHasUploaded(database)(other, nar.narHash)).toBe(true);
  });
});

test("drafts of a process that was killed are removed at the next start", async () => {
  const draft = await files.draft();
  await draft.write(Buffer.from("half"));
  const again = await NarFiles.open(dataDir);
  expect(await readdir(join(dataDir, "nar", "drafts"))).toEqual([]);
  await again[Symbol.asyncDispose]();
  await draft[Symbol.asyncDispose]();
});

describe("uploads that do not come on", () => {
  /** Takes every place that it gets. */
  function hold(count: number): { bodies: PassThrough[]; ended: Promise<string>[] } {
    const bodies = Array.from({ length: count }, () => new PassThrough());
    const ended = bodies.map((body, at) =>
      intake.take(claim, upload(body, { name: `slow-${at}` })).then(
        () => "taken",
        (error: unknown) => String(error),
      ),
    );
    for (const body of bodies) body.write(compress(nar).subarray(0, 100));
    return { bodies, ended };
  }

  test("leave places to other organizations", async () => {
    const { bodies, ended } = hold(20);
    const other = await addOrganization();
    const taken = await intake.take(claim, upload(bodyOf(nar), { organization: other }));
    expect(taken.narHash).toBe(claim.narHash);
    for (const body of bodies) body.end();
    for (const end of await Promise.all(ended)) expect(end).toContain("ends too early");
  });

  test("are ended when others wait for their places", async () => {
    const clock = new ManualClock();
    intake = new NarIntake({ ...intakeOptions(), clock });
    const { bodies, ended } = hold(12);
    await vi.waitFor(() => expect(bodies.every((body) => body.readableLength === 0)).toBe(true));
    const next = intake.take(claim, upload(bodyOf(nar)));
    await clock.advance(31_000);
    expect((await next).narHash).toBe(claim.narHash);
    expect(await Promise.race(ended)).toContain("too slowly");
    for (const body of bodies) body.end();
    await Promise.all(ended);
  });
});

function bodyOf(bytes: Buffer): Readable {
  return Readable.from([compress(bytes)]);
}
