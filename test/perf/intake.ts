import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { encodeNix32 } from "@gradient/protocol";
import { compress } from "zstd-napi";
import { Daemon } from "../support/daemon.ts";
import { TestFarm } from "../support/farm.ts";
import { cpuOf } from "./cpu.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 3;
/** Bytes of the NAR; the last file goes a little beyond. */
const NAR_BYTES = 2e9;
/** Bytes that are hashed alone, for comparison, before and after each upload. */
const HASHED_BYTES = 5e8;
const PIECE_BYTES = 128 * 1024;

/** A file as it is uploaded: pieces that are sent one after the other. */
interface PackedNar {
  pieces: readonly Buffer[];
  narSize: number;
  fileHash: string;
  fileSize: number;
}

/** A NAR of a directory in which one large file lies many times. Each is a zstd frame of its own, which is compressed once. */
function packNar(contents: Buffer): PackedNar {
  const count = Math.ceil(NAR_BYTES / contents.length);
  const head = words("nix-archive-1", "(", "type", "directory");
  const packed = compress(contents, { compressionLevel: 3 });
  const pieces: Buffer[] = [compress(head)];
  let narSize = head.length;
  for (let at = 0; at < count; at += 1) {
    const name = `file-${String(at).padStart(6, "0")}`;
    const entry = words("entry", "(", "name", name, "node", "(", "type", "regular", "contents");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(contents.length));
    const end = Buffer.concat([Buffer.alloc(-contents.length & 7), words(")", ")")]);
    pieces.push(compress(Buffer.concat([entry, length])), packed, compress(end));
    narSize += entry.length + length.length + contents.length + end.length;
  }
  const tail = words(")");
  pieces.push(compress(tail));
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return {
    pieces,
    narSize: narSize + tail.length,
    fileHash: encodeNix32(hash.digest()),
    fileSize: pieces.reduce((bytes, piece) => bytes + piece.length, 0),
  };
}

/** Strings as a NAR has them. */
function words(...texts: string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((each) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(each.length));
      return [length, Buffer.from(each, "latin1"), Buffer.alloc(-each.length & 7)];
    }),
  );
}

/** Bytes for each second of CPU time of one thread that only hashes. */
function hashRate(contents: Buffer): number {
  const hash = createHash("sha256");
  const start = process.cpuUsage();
  let bytes = 0;
  while (bytes < HASHED_BYTES) {
    for (let at = 0; at < contents.length; at += PIECE_BYTES) {
      hash.update(contents.subarray(at, at + PIECE_BYTES));
    }
    bytes += contents.length;
  }
  hash.digest();
  const { user, system } = process.cpuUsage(start);
  return bytes / ((user + system) / 1e6);
}

async function put(farm: TestFarm, nar: PackedNar): Promise<void> {
  const upload = httpRequest(`${farm.url}/cache/main/nar/${nar.fileHash}.nar.zst`, {
    method: "PUT",
    headers: { authorization: `Bearer ${farm.api.token}`, "content-length": nar.fileSize },
  });
  const answer = new Promise<{ status: number; body: string }>((resolve, reject) => {
    upload.on("error", reject);
    upload.on("response", (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
  });
  const source = Readable.from(nar.pieces, { objectMode: false, highWaterMark: 1 });
  const [{ status, body }] = await Promise.all([answer, pipeline(source, upload)]);
  if (status !== 201) throw new Error(`the upload was answered ${status}: ${body}`);
}

/** What it takes to do the least that an intake does (`intake-floor.ts`). */
interface Floor {
  /** Of wall time. */
  bytesPerSecond: number;
  /** Of CPU time, the sender's included: they share the cores. */
  bytesPerCpuSecond: number;
}

async function measureFloor(nar: PackedNar): Promise<Floor> {
  const program = fileURLToPath(new URL("./intake-floor.js", import.meta.url));
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const floor = new Daemon("floor", process.execPath, [program, String(port)], process.env);
  try {
    const [socket] = (await once(server, "connection")) as [Socket];
    const source = Readable.from(nar.pieces, { objectMode: false, highWaterMark: 1 });
    const start = performance.now();
    const cpuBefore = process.cpuUsage();
    const [answer] = await Promise.all([text(socket), pipeline(source, socket)]);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    const [narSize, fileHash, microseconds] = answer.trim().split(" ");
    if (Number(narSize) !== nar.narSize || fileHash !== nar.fileHash) {
      throw new Error(`the floor says ${answer}`);
    }
    return {
      bytesPerSecond: nar.narSize / seconds,
      bytesPerCpuSecond: (nar.narSize * 1e6) / (Number(microseconds) + user + system),
    };
  } finally {
    server.close();
    await floor.stop();
  }
}

/** The highest resident memory since this was last called, in megabytes, and what it is now. */
async function memoryOf(pid: number): Promise<{ peak: number; now: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  // Sets the peak back (proc_pid_clear_refs in proc(5)).
  await writeFile(`/proc/${pid}/clear_refs`, "5");
  const megabytes = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { peak: megabytes("VmHWM"), now: megabytes("VmRSS") };
}

/** One upload of a 2 GB NAR at a time into a cache, against one thread that only hashes; and by how much it makes the coordinator grow. */
export async function intakeRows(): Promise<Row[]> {
  await using farm = await TestFarm.start({ env: { GRADIENT_MAX_NAR_UPLOAD_SIZE: "4G" } });
  const contents = await readFile(process.execPath);
  const { pid } = farm.coordinator;
  const uploads: number[] = [];
  const hashes: number[] = [];
  const growths: number[] = [];
  const floors: Floor[] = [];
  let cpuSeconds = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    // Another NAR each time: what is there already is not looked at.
    contents[0] = round;
    const nar = packNar(contents);
    hashes.push(hashRate(contents));
    const before = (await memoryOf(pid)).now;
    const cpuBefore = (await cpuOf(pid)).own;
    const start = performance.now();
    await put(farm, nar);
    uploads.push(nar.narSize / ((performance.now() - start) / 1000));
    cpuSeconds += (await cpuOf(pid)).own - cpuBefore;
    growths.push((await memoryOf(pid)).peak - before);
    hashes.push(hashRate(contents));
    floors.push(await measureFloor(nar));
    process.stdout.write(
      `  intake: ${(nar.narSize / 1e6).toFixed(0)} MB of NAR in ${(nar.fileSize / 1e6).toFixed(0)} MB, ${((uploads.at(-1) ?? 0) / 1e6).toFixed(0)} MB/s, +${growths.at(-1)?.toFixed(0)} MB\n`,
    );
  }
  const gigabytes = (ROUNDS * NAR_BYTES) / 1e9;
  return [
    {
      what: "intake of one stream, NAR bytes",
      unit: "MB/s",
      ours: median(uploads) / 1e6,
      theirs: median(hashes) / 1e6,
      against: "SHA-256",
      better: "more",
      target: 0.6,
    },
    {
      what: "intake of one stream, NAR bytes",
      unit: "MB/s",
      ours: median(uploads) / 1e6,
      theirs: median(floors.map(({ bytesPerSecond }) => bytesPerSecond)) / 1e6,
      against: "the least",
      better: "more",
      target: 0.85,
    },
    {
      what: "the least on two cores that never wait, NAR bytes",
      unit: "MB/s",
      ours: (2 * median(floors.map(({ bytesPerCpuSecond }) => bytesPerCpuSecond))) / 1e6,
      theirs: median(hashes) / 1e6,
      against: "SHA-256",
      better: "more",
      target: null,
    },
    {
      what: "intake of one stream, CPU of a GB",
      unit: "s",
      ours: cpuSeconds / gigabytes,
      theirs: 1e9 / median(hashes),
      against: "SHA-256",
      better: "less",
      target: null,
    },
    {
      what: "growth of the coordinator by a NAR of 2 GB",
      unit: "MB",
      ours: Math.max(...growths),
      theirs: null,
      against: "limit",
      better: "less",
      target: 64,
    },
  ];
}
