import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { bytesBody } from "../../../sent-bodies.ts";
import { bodyBytes } from "../../../uploads.ts";
import { streamBodies } from "../../proto/stream-bodies.ts";
import { narParams } from "./nar-params.ts";

const MAX_CHUNK_BYTES = 64 * 1024 * 1024;

const querystring = z.object({ offset: z.coerce.number().int().nonnegative().default(0) });

/** PUT /caches/{cache}/nars/{hash}/chunk?offset= */
export const uploadChunkRoute: Route = (api, { authority, content }) => {
  void api.register(async (scope) => {
    const streaming: typeof api = scope;
    streamBodies(streaming);
    streaming.put(
      "/caches/:cache/nars/:hash/chunk",
      {
        // Streamed, and bounded where it is read.
        bodyLimit: Number.MAX_SAFE_INTEGER,
        config: { access: "required", admitsCacheKeys: true, sends: bytesBody() },
        schema: {
          summary:
            "Takes the next chunk of a NAR's file: appended when it begins where the kept bytes end, which the answer tells. An empty one at offset 0 gives the file up",
          params: narParams,
          querystring,
          response: { 200: envelope(z.object({ received: z.int() })) },
        },
      },
      async (request) => {
        const { caller, params, query } = request;
        const { cache } = await authority.cache(caller, params.cache, "writeStore");
        const { user } = signedIn(caller);
        const upload = { cacheId: cache.id, userId: user.id, hashPart: params.hash };
        const chunk = bodyBytes(request, MAX_CHUNK_BYTES);
        return ok({ received: await content.takeChunk(upload, query.offset, chunk) });
      },
    );
  });
};
