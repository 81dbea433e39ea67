import { NarError, NarReader } from "@gradient/protocol";
import { BadRequestError } from "../errors.ts";
import type { UploadPart } from "../sources/upload-part.ts";
import type { FileDraft, SourceFiles } from "../storage/source-files.ts";

/** A NAR that came in one request. Disposing it removes it. */
export interface ReceivedNar extends AsyncDisposable {
  readonly target: string | null;
  readonly system: string | null;
  nar(): AsyncIterable<Buffer>;
}

/** Takes the parts of a source upload in any order. What is no NAR is refused at its first wrong byte, and nothing stays. Throws BadRequestError. */
export async function receiveNar(
  sourceFiles: SourceFiles,
  parts: AsyncIterable<UploadPart>,
): Promise<ReceivedNar> {
  const draft = sourceFiles.draft();
  try {
    const fields = await read(parts, draft);
    return { ...fields, nar: () => draft.read(), [Symbol.asyncDispose]: () => dispose(draft) };
  } catch (error) {
    await dispose(draft);
    throw error;
  }
}

async function read(
  parts: AsyncIterable<UploadPart>,
  draft: FileDraft,
): Promise<Pick<ReceivedNar, "target" | "system">> {
  let target: string | null = null;
  let system: string | null = null;
  let isReceived = false;
  for await (const part of parts) {
    if (part.kind === "field") {
      if (part.name === "target") target = part.value;
      if (part.name === "system") system = part.value;
    } else if (part.name === "nar") {
      await draft.write(checked(part.contents));
      isReceived = true;
    } else {
      throw new BadRequestError(`the archive has to be sent as "nar", not as "${part.name}"`);
    }
  }
  if (!isReceived) throw new BadRequestError('there is no archive: send it as the file "nar"');
  return { target, system };
}

async function* checked(
  nar: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new NarReader();
  try {
    for await (const chunk of nar) {
      reader.write(chunk);
      yield chunk;
    }
    reader.end();
  } catch (error) {
    if (!(error instanceof NarError)) throw error;
    throw new BadRequestError(`the source cannot be used: ${error.message}`, {
      code: "bad_nar",
      cause: error,
    });
  }
}

function dispose(draft: FileDraft): Promise<void> {
  return Promise.resolve(draft[Symbol.asyncDispose]());
}
