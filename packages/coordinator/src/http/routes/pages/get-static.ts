import { z } from "zod";
import { NotFoundError } from "../../../errors.ts";
import { acceptsGzip } from "../../accepts-gzip.ts";
import type { Route } from "../../api.ts";

const YEAR = "public, max-age=31536000, immutable";

/** GET /static/:name: style and scripts of the pages. A name holds the hash of its content, so what was loaded once is never asked for again. */
export const getStaticRoute: Route = (api) => {
  api.get(
    "/static/:name",
    {
      schema: { params: z.object({ name: z.string() }) },
    },
    async ({ params, headers }, reply) => {
      const file = await api.pages.file(params.name);
      if (file === undefined) throw new NotFoundError(`there is no file ${params.name}`);
      const isPacked = acceptsGzip({ headers });
      if (isPacked) reply.header("content-encoding", "gzip");
      return reply
        .headers({
          "cache-control": YEAR,
          "content-type": file.contentType,
          vary: "accept-encoding",
          "x-content-type-options": "nosniff",
        })
        .send(isPacked ? file.gzip : file.bytes);
    },
  );
};
