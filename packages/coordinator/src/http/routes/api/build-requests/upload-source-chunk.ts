import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { bytesBody } from "../../../sent-bodies.ts";
import { bodyBytes, takingBytes } from "../../../uploads.ts";
import { uploadParams } from "./build-request.ts";

const MAX_CHUNK_BYTES = 64 * 1024 * 1024;

/** PUT /build-requests/source/{upload}/chunk?offset=N: 0 begins anew, the answer says from where to go on. */
export const uploadSourceChunkRoute: Route = (api, { sourceUploads }) => {
  takingBytes(api, (scope) => {
    scope.put(
      "/build-requests/source/:upload/chunk",
      {
        config: { access: "required", sends: bytesBody() },
        // Streamed, and bounded where it is read.
        bodyLimit: Number.MAX_SAFE_INTEGER,
        schema: {
          summary: "Uploads the next piece of a source's NAR, at most 64 MiB in one request.",
          params: uploadParams,
          querystring: z.object({ offset: z.coerce.number().int().nonnegative() }),
          response: { 200: envelope(z.object({ received: z.int() })) },
        },
      },
      async (request) => {
        const { upload } = request.params;
        const name = { owner: signedIn(request.caller).user.id, name: upload };
        const chunk = bodyBytes(request, MAX_CHUNK_BYTES);
        return ok({ received: await sourceUploads.take(name, request.query.offset, chunk) });
      },
    );
  });
};
