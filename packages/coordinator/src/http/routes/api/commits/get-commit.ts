import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const params = z.object({ id: z.uuid() });

const commit = z.object({
  id: z.uuid(),
  message: z.string(),
  /** 40 hexadecimal digits. */
  hash: z.string(),
  author: z.uuid().nullable(),
  author_name: z.string(),
});

/** GET /commits/{id} */
export const getCommitRoute: Route = (api, { authority }) => {
  api.get(
    "/commits/:id",
    {
      config: { access: "optional" },
      schema: { summary: "Shows a commit.", params, response: { 200: envelope(commit) } },
    },
    async (request) => {
      const row = await authority.readCommit(request.caller, request.params.id);
      return ok({
        id: row.id,
        message: row.message,
        hash: row.hash,
        author: null,
        author_name: row.author_name,
      });
    },
  );
};
