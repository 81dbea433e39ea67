import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { withNixConfig } from "./installation.ts";
import { openSubstituter } from "./substituter.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

test("a substituter that never answers keeps nobody who has given up", async () => {
  await using fixture = await NixFixture.make(process.env);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : null;
  const drvPath = await fixture.instantiate(`mk "wanted" "echo > $out" { }`);
  const config = [`substituters = http://127.0.0.1:${port}`];
  const environment = withNixConfig(fixture.nix.environment, config);
  await using substituter = openSubstituter({ ...fixture.nix, environment });
  const controller = new AbortController();
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    controller.abort();
  });
  const { signal } = controller;
  try {
    await expect(substituter.missing([drvPath], { onWarning: () => {}, signal })).rejects.toThrow(
      "aborted",
    );
  } finally {
    server.close();
  }
});
