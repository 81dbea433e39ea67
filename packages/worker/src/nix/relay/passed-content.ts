import { NarReader } from "@gradient/protocol";
import type { OwnConnection } from "./own-connection.ts";
import type { Step, SteppedSocket } from "./stepped-socket.ts";

/** Passes on the NAR that follows a request, which ends by itself, and goes on with `next`. */
export function passNar(client: SteppedSocket, nix: OwnConnection, next: () => Step): void {
  const nar = new NarReader({}, { maxDepth: Number.MAX_SAFE_INTEGER });
  client.goOnWith(() => {
    if (client.heldBytes === 0) return "more";
    const bytes = client.take(client.heldBytes);
    nar.write(bytes);
    if (nar.isComplete) client.goOnWith(next);
    return nix.send(bytes);
  });
}

/** Passes on the frames that follow a request, as many as are here at a time, and goes on with `next` behind the empty one. */
export function passFrames(client: SteppedSocket, nix: OwnConnection, next: () => Step): void {
  client.goOnWith(() => {
    const reader = client.reader();
    let sizeBytes = 0;
    for (;;) {
      const frame = reader.frame();
      if (reader.isShort) break;
      sizeBytes = reader.at;
      if (frame.length > 0) continue;
      client.goOnWith(next);
      break;
    }
    return sizeBytes === 0 ? client.waitFor(reader) : nix.send(client.take(sizeBytes));
  });
}

/** Passes on all that the client sends from here on. */
export function passEverything(client: SteppedSocket, nix: OwnConnection): void {
  client.goOnWith(() =>
    client.heldBytes === 0 ? "more" : nix.send(client.take(client.heldBytes)),
  );
}
