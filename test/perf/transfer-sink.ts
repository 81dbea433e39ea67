import { createHash } from "node:crypto";
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { decodeNarBundle } from "@gradient/protocol";

/** Takes uploads as a cache of files does: hashes what comes and writes it. Argument: where to. Prints its port. */
const directory = process.argv[2] ?? ".";
const server = createServer((request, response) => {
  if (request.method === "PUT" && request.url === "/proto/nars") {
    void buffer(request).then((body) => {
      const nars = decodeNarBundle(body);
      for (const { narHash, bytes } of nars) {
        createHash("sha256").update(bytes).digest();
        writeFileSync(join(directory, narHash), bytes);
      }
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ accepted: nars.length }));
    });
    return;
  }
  const [, narHash] = /\/nar\/([0-9a-z]{52})/.exec(request.url ?? "") ?? [];
  response.setHeader("content-type", "application/json");
  if (narHash === undefined) {
    request.resume();
    request.once("end", () => response.end(JSON.stringify({ held: [] })));
    return;
  }
  const hash = createHash("sha256");
  const file = openSync(join(directory, narHash), "w");
  let fileSize = 0;
  request.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    fileSize += chunk.length;
    writeSync(file, chunk);
  });
  request.once("end", () => {
    closeSync(file);
    const fileHash = hash.digest("hex");
    response.end(JSON.stringify({ narHash, narSize: 1, fileHash, fileSize }));
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.stdout.write(`${address.port}\n`);
});
