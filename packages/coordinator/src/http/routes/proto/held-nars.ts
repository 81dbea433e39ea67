import { narHashListSchema, type HeldNars } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { insertPossessions } from "../../../db/nar-possession-repository.ts";
import { readRequest } from "./read-request.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

const BODY_LIMIT = 4 * 1024 * 1024;

/** Which of many NARs need not be uploaded. */
export function heldNarsRoute(options: TransferRouteOptions): FastifyPluginAsync {
  const { nars, direct, grant, changes } = options;
  return async (app) => {
    app.post("/nars/held", { bodyLimit: BODY_LIMIT }, async (request): Promise<HeldNars> => {
      const { organization } = grant(request.headers);
      const { narHashes } = readRequest(narHashListSchema, request.body);
      const isHeld = (narHash: string): boolean =>
        nars.findHeld(organization, narHash.slice("sha256:".length)) !== null;
      const held = narHashes.filter(isHeld);
      // Who was told so does not upload them.
      const bases = held.map((narHash) => narHash.slice("sha256:".length));
      await changes(({ kysely, now }) =>
        insertPossessions(kysely, { organization, narHashes: bases }, now),
      );
      const { fromBytes } = direct;
      return { held, ...(fromBytes === null ? {} : { directFromBytes: fromBytes }) };
    });
  };
}
