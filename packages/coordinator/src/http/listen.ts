import { isIPv6 } from "node:net";
import { errnoOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import type { Server } from "./api.ts";

/** What is in the way, by the system's error code. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "this user may not use the port",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "the host name is not known",
};

/** Starts to listen and returns the URL of the address that was bound. Throws UserError when the address cannot be had. */
export async function listen(
  app: Server,
  address: { host: string; port: number },
): Promise<string> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (error) {
    const reason = REASONS[errnoOf(error) ?? ""];
    if (reason === undefined) throw error;
    throw new UserError(`cannot listen on ${address.host}:${address.port}: ${reason}`, {
      exitCode: 1,
      cause: error,
    });
  }
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  return addressUrl(address.host, port);
}

/** `http://host:port`; without the port when that is not known yet (0). */
export function addressUrl(host: string, port: number): string {
  const name = isIPv6(host) ? `[${host}]` : host;
  return port === 0 ? `http://${name}` : `http://${name}:${port}`;
}
