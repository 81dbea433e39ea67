import assert from "node:assert/strict";
import { afterEach, expect, test, vi } from "vitest";
import { DaemonConnection } from "../daemon/connection.ts";
import { NixFixture } from "../testing/nix-fixture.ts";
import { TERSE_MINOR } from "./relayed-client.ts";
import { type TextFile, addTextRequest, textFileOf } from "./text-file.ts";
import { TextWriter } from "./text-writer.ts";

afterEach(() => {
  vi.useRealTimers();
});

function text(name: string): TextFile {
  const file = textFileOf(name, Buffer.from(name), []);
  assert(file);
  return file;
}

test("what was added is written without a rest once hardly anything comes any more", async () => {
  await using fixture = await NixFixture.make(process.env);
  const connection = DaemonConnection.open(fixture.nix, { minor: TERSE_MINOR });
  {
    await using writer = new TextWriter(connection, (each) => each[Symbol.asyncDispose]());
    await connection;
    // A rest that is not ended would never end.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const add = (file: TextFile): unknown => writer.add(file, addTextRequest(file));
    const [first, second] = [text("first"), text("second")];
    add(first);
    writer.hurry();
    await writer.settled(first.path);
    add(second);
    await writer.settled(second.path);
    vi.useRealTimers();
    const paths = [first.path, second.path];
    await expect(fixture.run("nix-store", ["--check-validity", ...paths])).resolves.toBe("");
  }
});
