import { z } from "zod";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import type { CacheRoute } from "../../api.ts";
import { sendText } from "./answers.ts";
import { bodyOf, readText } from "./bodies.ts";
import { readableCache, writableCache } from "./cache-access.ts";
import { parseNarFileName } from "./nar-file-name.ts";

const BUILD_ID = /^[0-9a-f]{40}(?:\.debug)?$/;
const MAX_BYTES = 16 * 1024;
const ARCHIVE = "../nar/";

/** Where the debug information with a build id lies: a NAR of the cache, and the file in it. */
const schema = z.object({
  archive: z
    .string()
    .startsWith(ARCHIVE)
    .refine(
      (text) => parseNarFileName(text.slice(ARCHIVE.length)) !== null,
      "is no NAR below ../nar/",
    ),
  member: z
    .string()
    .max(4096)
    .refine(
      (text) => text.split("/").every((name) => !["", ".", ".."].includes(name)),
      "is no path inside of a NAR",
    ),
});

interface Params {
  cache: string;
  file: string;
}

/** GET and PUT /cache/{cache}/debuginfo/{build id}: what `nix copy` writes with index-debug-info, and debuggers read. */
export const debugInfo: CacheRoute = (app, services) => {
  const { documents } = services;
  app.get<{ Params: Params }>("/:cache/debuginfo/:file", async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const name = nameOf(request.params.file);
    const text = await documents.text(cache.id, name);
    if (text === null) throw new NotFoundError(`cache "${cache.name}" has no ${name}`);
    return sendText(reply, "application/json", text);
  });

  app.put<{ Params: Params }>("/:cache/debuginfo/:file", async (request, reply) => {
    const { cache } = await writableCache(services, request, request.params.cache);
    const name = nameOf(request.params.file);
    const link = parseLink(await readText(bodyOf(request), MAX_BYTES));
    await documents.put(cache.id, name, bytesOf(JSON.stringify(link)), MAX_BYTES);
    return reply.code(201).send("");
  });
};

function parseLink(text: string): z.infer<typeof schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new BadRequestError('the body is not {"archive": "../nar/...", "member": "..."}', {
      cause,
    });
  }
}

async function* bytesOf(text: string): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(text);
}

function nameOf(file: string): string {
  if (BUILD_ID.test(file)) return `debuginfo/${file}`;
  throw new BadRequestError(`"${file}" is not <build id>.debug with 40 hexadecimal digits`);
}
