import { OPTIONAL_BODY } from "./operation.ts";
import { refusalNameOf } from "./refusals.ts";

type Json = Record<string, unknown>;
type Operation = Json & { tags?: string[]; responses: Record<string, Json>; requestBody?: Json };

/**
 * What the makers of the document leave to be done: bodies that may be absent, one component for each kind of refusal, components that
 * nothing refers to, tags that nothing has, and a fixed order.
 */
export function finishDocument(made: Json): Json {
  const paths = sortedByKey(simplified(made["paths"]) as Record<string, Record<string, Operation>>);
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  const responses: Record<string, Json> = {};
  for (const operation of operations) {
    if (operation[OPTIONAL_BODY] === true) {
      operation.requestBody = { ...operation.requestBody, required: false };
    }
    delete operation[OPTIONAL_BODY];
    operation.responses = sharingRefusals(operation.responses, responses);
  }
  const used = new Set(operations.flatMap((operation) => operation.tags ?? []));
  const components = made["components"] as Json & { schemas: Record<string, Json> };
  return {
    ...made,
    tags: (made["tags"] as { name: string }[]).filter((tag) => used.has(tag.name)),
    paths,
    components: {
      ...components,
      schemas: referredTo(
        { paths, responses },
        simplified(components.schemas) as Record<string, Json>,
      ),
      responses: sortedByKey(responses),
    },
  };
}

/** The responses with a reference in place of each refusal; what is referred to is put into `shared`. */
function sharingRefusals(
  responses: Record<string, Json>,
  shared: Record<string, Json>,
): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      const name = refusalNameOf(Number(status));
      if (name === null || !JSON.stringify(response).includes("schemas/Error")) {
        return [status, response];
      }
      shared[name] ??= response;
      return [status, { $ref: `#/components/responses/${name}` }];
    }),
  );
}

/** Components that `root` refers to, directly or through another. */
function referredTo(root: unknown, schemas: Record<string, Json>): Record<string, Json> {
  const found = new Set<string>();
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const text = JSON.stringify(waiting.pop());
    for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/([^"/]+)"/g)) {
      if (found.has(name)) continue;
      found.add(name);
      waiting.push(schemas[name] ?? {});
    }
  }
  const entries = Object.entries(schemas).filter(([name]) => found.has(name));
  return sortedByKey(Object.fromEntries(entries));
}

/**
 * Without what helps no reader: bounds that every number of JavaScript has, patterns that say a format again, and closed objects (any object
 * may get further fields with a later release).
 */
function simplified(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) => {
    if (key === "additionalProperties" && value === false) return undefined;
    if (key === "minimum" && value === Number.MIN_SAFE_INTEGER) return undefined;
    if (key === "maximum" && value === Number.MAX_SAFE_INTEGER) return undefined;
    return withoutPatternOfFormat(value);
  });
}

function withoutPatternOfFormat(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (!("pattern" in value && "format" in value)) return value;
  const { pattern: _pattern, ...rest } = value;
  return rest;
}

function sortedByKey<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
