import { organizationIdSchema } from "@gradient/protocol";
import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { openSession } from "../../../../build-requests/open-session.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

/** A list of some hundred thousand files. */
const MAX_MANIFEST_BYTES = 32 * 1024 * 1024;

const body = z.object({
  organization: z.string(),
  files: z.array(
    z.object({
      path: z.string(),
      hash: z.string(),
      size: z.int(),
      executable: z.boolean().default(false),
    }),
  ),
});

/** POST /build-requests/manifest: begins a build of files, and says which ones have to be uploaded. */
export const openSessionRoute: Route = (
  api,
  { authority, database, sourceFiles, clock, config },
) => {
  api.post(
    "/build-requests/manifest",
    {
      config: { access: "required" },
      bodyLimit: MAX_MANIFEST_BYTES,
      schema: {
        summary:
          "Begins a build request: takes the list of a tree's files and tells which ones are missing.",
        body,
        response: {
          200: envelope(z.object({ session: z.uuid(), missing: z.array(z.string()) })),
        },
      },
    },
    async ({ caller, body: { organization: name, files } }) => {
      const { organization } = await authority.organization(caller, name, "triggerEvaluation");
      const opened = await openSession(
        { database, sourceFiles, maxSourceBytes: config.maxSourceUploadSize },
        {
          organization: organizationIdSchema.parse(organization.id),
          userId: signedIn(caller).user.id,
          files,
        },
        clock.now(),
      );
      return ok(opened);
    },
  );
};
