import { z } from "zod";
import { takeBlobs, type IncomingBlob } from "../../../../build-requests/take-blobs.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { envelope, errorEnvelope, ok } from "../../../envelope.ts";
import type { UploadPart } from "../../../../sources/upload-part.ts";
import { multipartBody } from "../../../sent-bodies.ts";
import { takingMultipart, uploadParts } from "../../../uploads.ts";
import { sessionParams } from "./build-request.ts";

const LIMITS = { maxBytes: 20 * 1024 * 1024, maxFiles: 20_000 };

/** POST /build-requests/{session}/blobs: each part is named by the BLAKE3 hash of its contents. */
export const uploadBlobsRoute: Route = (
  api,
  { authority, database, sourceFiles, clock, config },
) => {
  takingMultipart(api, (scope) => {
    scope.post(
      "/build-requests/:session/blobs",
      {
        config: { access: "required", sends: multipartBody({ required: {}, others: "file" }) },
        schema: {
          summary: "Uploads missing files of a build request, at most 20 MiB in one request.",
          params: sessionParams,
          response: {
            200: envelope(z.object({ uploaded: z.int(), remaining: z.int() })),
            410: errorEnvelope,
          },
        },
      },
      async (request) => {
        const { session } = await authority.buildRequest(request.caller, request.params.session);
        const blobs = blobsOf(uploadParts(request, LIMITS));
        const stores = { database, sourceFiles, maxSourceBytes: config.maxSourceUploadSize };
        return ok(await takeBlobs(stores, session, blobs, clock.now()));
      },
    );
  });
};

async function* blobsOf(
  parts: AsyncIterable<UploadPart>,
): AsyncGenerator<IncomingBlob, void, undefined> {
  for await (const part of parts) {
    if (part.kind === "field") {
      throw new BadRequestError(`part "${part.name}" has to be sent as a file, with a filename`);
    }
    yield { hash: part.name, contents: part.contents };
  }
}
