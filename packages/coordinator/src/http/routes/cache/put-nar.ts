import { BadRequestError } from "../../../errors.ts";
import { drain } from "../../../intake/drain.ts";
import type { CacheRoute } from "../../api.ts";
import { bodyOf } from "./bodies.ts";
import { writableCache } from "./cache-access.ts";
import { NAR_FILE_NAME_RULE, parseNarFileName } from "./nar-file-name.ts";

/** PUT /cache/{cache}/nar/{file}: the first half of what `nix copy` uploads of a path. */
export const putNar: CacheRoute = (app, services) => {
  const { content } = services;
  app.put<{ Params: { cache: string; file: string } }>(
    "/:cache/nar/:file",
    // The content counts the bytes, and says which setting limits them.
    { bodyLimit: Number.MAX_SAFE_INTEGER },
    async (request, reply) => {
      const { cache } = await writableCache(services, request, request.params.cache);
      const name = parseNarFileName(request.params.file);
      if (name === null) {
        throw new BadRequestError(`"${request.params.file}" is not ${NAR_FILE_NAME_RULE}`);
      }
      const body = bodyOf(request);
      if (content.findGiven(cache, name) !== null) await drain(body);
      else await content.receive(cache, name, body);
      return reply.code(201).send("");
    },
  );
};
