import { BadRequestError } from "../errors.ts";
import { readTagsField, type Tags } from "../rules/tags.ts";
import { SourcePaths } from "../rules/source-paths.ts";
import { checkWildcard } from "../rules/wildcard.ts";
import type { UploadPart } from "../sources/upload-part.ts";
import type { SourceFiles, TreeDraft } from "../storage/source-files.ts";

/** What somebody wants to have built. Disposing it removes the files. */
export interface ReceivedFiles extends AsyncDisposable {
  readonly organization: string;
  /** Attribute pattern. */
  readonly derivation: string;
  /** null when there is no such field. */
  readonly tags: Tags | null;
  readonly tree: TreeDraft;
}

/** Takes the parts of a direct build in any order; files go to the disk as they come. Nothing stays when it fails. Throws BadRequestError. */
export async function receiveFiles(
  sourceFiles: SourceFiles,
  parts: AsyncIterable<UploadPart>,
): Promise<ReceivedFiles> {
  const tree = await sourceFiles.treeDraft();
  try {
    return { ...(await read(parts, tree)), tree, [Symbol.asyncDispose]: () => dispose(tree) };
  } catch (error) {
    await dispose(tree);
    throw error;
  }
}

async function read(
  parts: AsyncIterable<UploadPart>,
  tree: TreeDraft,
): Promise<Pick<ReceivedFiles, "organization" | "derivation" | "tags">> {
  const paths = new SourcePaths();
  const fields = new Map<string, string>();
  for await (const part of parts) {
    if (part.kind === "field") {
      fields.set(part.name, part.value);
    } else if (part.name === "files") {
      paths.add(part.filename);
      await tree.addFile(part.filename, part.contents);
    } else {
      throw new BadRequestError(`files have to be sent as "files", not as "${part.name}"`);
    }
  }
  const organization = required(fields, "organization");
  const derivation = required(fields, "derivation");
  if (paths.size === 0) throw new BadRequestError('there is no file: send each as "files"');
  checkWildcard(derivation);
  return { organization, derivation, tags: readTagsField(fields.get("tags")) };
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined || value === "") throw new BadRequestError(`field "${name}" is missing`);
  return value;
}

function dispose(tree: TreeDraft): Promise<void> {
  return Promise.resolve(tree[Symbol.asyncDispose]());
}
