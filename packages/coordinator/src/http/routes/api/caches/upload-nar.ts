import multipart, { type Multipart } from "@fastify/multipart";
import { storePathBase, type StorePath } from "@gradient/protocol";
import { claimOfFields, type PathClaim } from "../../../../caches/path-claim.ts";
import { BadRequestError, UnprocessableError } from "../../../../errors.ts";
import { actorOf } from "../../../actor.ts";
import type { FastifyRequest } from "fastify";
import type { CacheContent, ContentCache } from "../../../../caches/cache-content.ts";
import type { GivenFile } from "../../../../intake/received-file.ts";
import type { Route } from "../../../api.ts";
import { readText } from "../../cache/bodies.ts";
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
          summary: "Takes a NAR with its narinfo and shows the path in the cache",
          params: cacheParams,
          response: { 201: envelope(uploadedNar) },
        },
      },
      async (request, reply) => {
        const { cache } = await authority.cache(request.caller, request.params.cache, "writeStore");
        const { isNew, path } = await takeForm(content, cache, request);
        return reply.code(201).send(ok({ store_path: storePathBase(path), created: isNew }));
      },
    );
  });
};

/** Both parts, in whatever order they come. Of a form that is refused nothing is kept. */
async function takeForm(
  content: CacheContent,
  cache: ContentCache,
  request: FastifyRequest,
): Promise<{ isNew: boolean; path: StorePath }> {
  const by = actorOf(request);
  let claim: PathClaim | null = null;
  let early: GivenFile | null = null;
  try {
    for await (const part of request.parts()) {
      const isNar = part.fieldname === "nar" && part.type === "file";
      if (isNar && claim !== null) {
        return { ...(await content.upload(cache, { claim, by }, part.file)), path: claim.path };
      }
      if (isNar) early = await content.receive(cache, null, part.file);
      else claim = await claimIn(part);
      if (claim !== null && early !== null) {
        return { ...(await content.publish(cache, { claim, by }, early)), path: claim.path };
      }
    }
    throw new BadRequestError("the form needs two parts: narinfo, and the file nar");
  } catch (error) {
    if (early !== null) await content.forget(cache, early.fileHash);
    throw error;
  }
}

async function claimIn(part: Multipart): Promise<PathClaim> {
  if (part.fieldname !== "narinfo") {
    throw new BadRequestError(`the form has a part "${part.fieldname}" that is not known`);
  }
  return readClaim(
    part.type === "file" ? await readText(part.file, MAX_NARINFO_BYTES) : part.value,
  );
}

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
