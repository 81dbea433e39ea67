import { z } from "zod";
import { exportState } from "../../../../state/export-state.ts";
import { redactState, toNix } from "../../../../state/redact-state.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const querystring = z.object({ format: z.enum(["nix", "json"]).default("nix") });

const answer = {
  description: "As an expression for `services.gradient.state`, or as JSON.",
  content: {
    "application/json": { schema: envelope(z.record(z.string(), z.unknown())) },
    "text/plain": { schema: z.string() },
  },
};

/** GET /admin/state?format=nix|json: what a state file would have to say to make this farm. */
export const exportStateRoute: Route = (api, { database }) => {
  api.get(
    "/admin/state",
    {
      config: { access: "superuser" },
      schema: {
        summary:
          "Exports users, organizations, projects, caches, workers and keys as a state file.",
        description:
          "Secrets, also hashed and sealed ones, are null: give the files. `gradient-coordinator state export` has them sealed.",
        querystring,
        response: { 200: answer },
      },
    },
    async (request, reply) => {
      const state = redactState(await exportState(database)) as Record<string, unknown>;
      if (request.query.format === "json") return ok(state);
      const text = `# Each null *_file is a secret: put in the path of a file with it.\n${toNix(state)}\n`;
      return reply.type("text/plain; charset=utf-8").send(text);
    },
  );
};
