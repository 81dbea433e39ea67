import multipart from "@fastify/multipart";
import { storePathBase } from "@gradient/protocol";
import { claimOfFields, type PathClaim } from "../../../../caches/path-claim.ts";
import { BadRequestError, UnprocessableError } from "../../../../errors.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { multipartBody } from "../../../sent-bodies.ts";
import { cacheParams } from "./cache.ts";
import { narClaim, uploadedNar } from "./nar-claim.ts";

/** A narinfo of a path that refers to thousands of others. */
const MAX_NARINFO_BYTES = 4 * 1024 * 1024;
const MAX_OVERHEAD_BYTES = 8 * 1024 * 1024;

/** POST /caches/{cache}/nars */
export const uploadNarRoute: Route = (api, { authority, config, content }) => {
  void api.register(async (scope) => {
    const forms: typeof api = scope;
    await forms.register(multipart, {
      limits: { fields: 8, files: 2, fieldSize: MAX_NARINFO_BYTES, fileSize: Infinity },
    });
    forms.post(
      "/caches/:cache/nars",
      {
        bodyLimit: config.maxNarUploadSize + MAX_OVERHEAD_BYTES,
        config: {
          access: "required",
          admitsCacheKeys: true,
          sends: multipartBody({ required: { narinfo: "json", nar: "file" } }),
        },
        schema: {
          summary:
            "Takes a NAR with its narinfo, which has to come first, and shows the path in the cache",
          params: cacheParams,
          response: { 201: envelope(uploadedNar) },
        },
      },
      async (request, reply) => {
        const { cache } = await authority.cache(request.caller, request.params.cache, "writeStore");
        let claim: PathClaim | null = null;
        for await (const part of request.parts()) {
          if (part.fieldname === "narinfo") {
            claim = readClaim(part.type === "file" ? await part.toBuffer() : part.value);
          } else if (part.fieldname === "nar" && part.type === "file") {
            if (claim === null)
              throw new BadRequestError("the part narinfo has to come before nar");
            const { isNew } = await content.upload(
              cache,
              { claim, by: actorOf(request) },
              part.file,
            );
            const answer = { store_path: storePathBase(claim.path), created: isNew };
            return reply.code(201).send(ok(answer));
          } else {
            throw new BadRequestError(`the form has a part "${part.fieldname}" that is not known`);
          }
        }
        throw new BadRequestError("the form has no file nar");
      },
    );
  });
};

function readClaim(value: unknown): PathClaim {
  const parsed = narClaim.safeParse(readJson(String(value)));
  if (parsed.success) return claimOfFields(parsed.data);
  const [issue] = parsed.error.issues;
  throw new UnprocessableError(
    `part narinfo, field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "wrong shape"}`,
  );
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadRequestError("the part narinfo is not JSON", { code: "json_parsing", cause });
  }
}
