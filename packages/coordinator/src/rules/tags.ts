import { BadRequestError } from "../errors.ts";

/** Header of requests that start evaluations: `NAME:VALUE,NAME:VALUE`, as nixbuild.net's queries write tags. */
export const TAGS_HEADER = "nixbuildnet-tags";

const MAX_TAGS = 64;
const MAX_VALUE_CHARACTERS = 1000;

export type Tags = Readonly<Record<string, string>>;

/** `NAME:VALUE,NAME:VALUE`: names have no colon, values may; what has none goes on with the value before it, which then has a comma. Throws BadRequestError. */
export function readTagList(text: string): { name: string; value: string }[] {
  const tags: { name: string; value: string }[] = [];
  for (const piece of text.split(",")) {
    const colon = piece.indexOf(":");
    const last = tags.at(-1);
    if (colon > 0) {
      tags.push({ name: piece.slice(0, colon), value: piece.slice(colon + 1) });
    } else if (colon < 0 && last !== undefined) {
      tags[tags.length - 1] = { name: last.name, value: `${last.value},${piece}` };
    } else {
      throw new BadRequestError(`tags: "${piece}" is not NAME:VALUE`);
    }
  }
  return tags;
}

/** Tags of a request's header and of its body, which goes first. Throws BadRequestError. */
export function requestTags(
  header: string | readonly string[] | undefined,
  field: Tags | null | undefined,
): Tags {
  const text = [header ?? []].flat().filter((each) => each.trim() !== "");
  const inHeader = text.flatMap((each) =>
    readTagList(each).map(({ name, value }) => [name.trim(), value.trim()] as const),
  );
  const tags = { ...Object.fromEntries(inHeader), ...field };
  checkTags(tags);
  return tags;
}

function checkTags(tags: Tags): void {
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) throw new BadRequestError(`tags: there are more than ${MAX_TAGS}`);
  for (const [name, value] of entries) {
    if (!/^[-_a-zA-Z0-9]{1,100}$/.test(name)) {
      throw new BadRequestError(
        `tags: a name has letters, digits, _ and -, which "${name}" has not`,
      );
    }
    if (value.length > MAX_VALUE_CHARACTERS || /\p{Cc}/u.test(value)) {
      throw new BadRequestError(
        `tags: the value of ${name} is one line of at most ${MAX_VALUE_CHARACTERS} characters`,
      );
    }
  }
}

/** The field `tags` of a form: an object in JSON. Throws BadRequestError. */
export function readTagsField(text: string | undefined): Tags | null {
  if (text === undefined || text === "") return null;
  const refuse = (cause?: unknown): never => {
    throw new BadRequestError('field "tags" has to be a JSON object of texts', { cause });
  };
  let tags: unknown;
  try {
    tags = JSON.parse(text);
  } catch (error) {
    return refuse(error);
  }
  if (typeof tags !== "object" || tags === null || Array.isArray(tags)) return refuse();
  return Object.fromEntries(
    Object.entries(tags).map(([name, value]) => [
      name,
      typeof value === "string" ? value : refuse(),
    ]),
  );
}
