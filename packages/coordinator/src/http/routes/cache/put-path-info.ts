import { NarInfoError, parseNarInfo, storePathHash, type NarInfo } from "@gradient/protocol";
import { claimOfNarInfo } from "../../../caches/path-claim.ts";
import { BadRequestError } from "../../../errors.ts";
import { drain } from "../../../intake/drain.ts";
import type { CacheRoute } from "../../api.ts";
import { bodyOf, readText } from "./bodies.ts";
import { writableCache } from "./cache-access.ts";
import { parseNarFileName } from "./nar-file-name.ts";

const FILE = /^(?<hash>[0-9a-df-np-sv-z]{32})\.(?<kind>narinfo|ls)$/;
/** A path may refer to thousands of others. */
const MAX_NARINFO_BYTES = 4 * 1024 * 1024;
const MAX_LISTING_BYTES = 256 * 1024 * 1024;

/**
 * PUT /cache/{cache}/{hash}.narinfo: the second half of what `nix copy` uploads of a path, which shows it. A listing (`.ls`) is read and dropped:
 * the one that is served is made from the NAR itself.
 */
export const putPathInfo: CacheRoute = (app, services) => {
  const { content, narinfoLane } = services;
  app.put<{ Params: { cache: string; file: string } }>(
    "/:cache/:file",
    { bodyLimit: MAX_LISTING_BYTES },
    async (request, reply) => {
      const { cache, by } = await writableCache(services, request, request.params.cache);
      const { hash, kind } = FILE.exec(request.params.file)?.groups ?? {};
      if (hash === undefined) {
        throw new BadRequestError(
          `"${request.params.file}" is not <hash>.narinfo with 32 characters of Nix base 32`,
        );
      }
      if (kind === "ls") {
        await drain(bodyOf(request));
        return reply.code(201).send("");
      }
      const text = await readText(bodyOf(request), MAX_NARINFO_BYTES);
      try {
        const info = readNarInfo(text);
        const claim = claimOfNarInfo(info);
        if (storePathHash(claim.path) !== hash) {
          throw new BadRequestError(`the narinfo is of ${claim.path}, and not of hash ${hash}`);
        }
        await content.publish(cache, { claim, by }, fileOf(info));
      } catch (error) {
        const fileHash = fileHashIn(text);
        if (error instanceof BadRequestError && fileHash !== undefined) {
          await content.forget(cache, fileHash);
        }
        throw error;
      }
      narinfoLane.forgetPath(cache.name, hash);
      return reply.code(201).send("");
    },
  );
};

function readNarInfo(text: string): NarInfo {
  try {
    return parseNarInfo(text);
  } catch (cause) {
    if (!(cause instanceof NarInfoError)) throw cause;
    throw new BadRequestError(cause.message, { code: "bad_narinfo", cause });
  }
}

/** Also of a text that is no narinfo: the file that it was about is of no use then. */
function fileHashIn(text: string): string | undefined {
  const name = /^URL: nar\/(\S+)$/m.exec(text)?.[1] ?? "";
  return parseNarFileName(name)?.fileHash;
}

/** The uploaded file that the narinfo speaks of. */
function fileOf({ url, compression }: NarInfo): { fileHash: string; compression: string } {
  const name = url.startsWith("nar/") ? parseNarFileName(url.slice("nar/".length)) : null;
  if (name === null) {
    throw new BadRequestError(`URL: "${url}" is not a file below nar/ that was uploaded here`, {
      code: "bad_narinfo",
    });
  }
  return { fileHash: name.fileHash, compression };
}
