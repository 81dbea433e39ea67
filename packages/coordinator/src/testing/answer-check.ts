import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** An answer of the API as it came over the network. */
export interface ApiAnswer {
  method: string;
  /** Path and query, from `/api/v1` on. */
  path: string;
  status: number;
  contentType: string | null;
  text: string;
}

type Json = Record<string, unknown>;
type Operation = Json & { responses: Record<string, Json> };

interface PathItem {
  pattern: RegExp;
  template: string;
  operations: Record<string, Operation>;
}

/** An answer that the OpenAPI document does not describe. */
export class UndescribedAnswerError extends Error {
  override name = "UndescribedAnswerError";
}

const DOCUMENT_ID = "https://gradient.invalid/openapi.json";
const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(["HEAD", "OPTIONS"]);

/** Holds every answer of a test against the document that the server itself serves: status, content type and body. */
export class AnswerCheck {
  readonly #document: Json;
  readonly #paths: PathItem[];
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: object) {
    this.#document = closed(document) as Json;
    this.#paths = Object.entries(this.#document["paths"] as Record<string, PathItem["operations"]>)
      .map(([template, operations]) => ({ template, operations, pattern: patternOf(template) }))
      // Words of a path go before parameters.
      .sort((a, b) => a.template.split("{").length - b.template.split("{").length);
    this.#ajv = new Ajv2020({ strict: false, validateFormats: true });
    addFormats.default(this.#ajv);
    this.#ajv.addSchema({ $id: DOCUMENT_ID, ...this.#document }, DOCUMENT_ID, false, false);
  }

  /** Throws UndescribedAnswerError. */
  check(answer: ApiAnswer): void {
    if (METHODS_WITHOUT_BODY.has(answer.method)) return;
    const path = answer.path.split("?", 1)[0] ?? "";
    const item = this.#paths.find((each) => each.pattern.test(path));
    const operation = item?.operations[answer.method.toLowerCase()];
    if (item === undefined || operation === undefined) {
      this.#checkUnknown(answer, item === undefined ? [404, 400, 429] : [405, 429]);
      return;
    }
    const described = operation.responses[String(answer.status)];
    if (described === undefined) {
      const known = Object.keys(operation.responses).join(", ");
      const hint = `declare it in the route's response, for instance ${answer.status}: errorEnvelope`;
      fail(answer, `the document has only ${known} for ${item.template}: ${hint}`);
    }
    const pointer = `/paths/${escapePointer(item.template)}/${answer.method.toLowerCase()}/responses/${answer.status}`;
    this.#checkBody(answer, this.#resolve(described, pointer));
  }

  #checkUnknown(answer: ApiAnswer, statuses: readonly number[]): void {
    if (!statuses.includes(answer.status)) {
      fail(answer, "the document has no such operation");
    }
    this.#validate(answer, "/components/schemas/Error", answer.text);
  }

  #resolve(response: Json, pointer: string): { response: Json; pointer: string } {
    const reference = response["$ref"];
    if (typeof reference !== "string") return { response, pointer };
    const name = reference.slice(reference.lastIndexOf("/") + 1);
    const components = this.#document["components"] as { responses: Record<string, Json> };
    return { response: components.responses[name] ?? {}, pointer: `/components/responses/${name}` };
  }

  #checkBody(answer: ApiAnswer, described: { response: Json; pointer: string }): void {
    const content = described.response["content"] as Record<string, Json> | undefined;
    if (content === undefined) {
      if (answer.text !== "") fail(answer, "the document has no body for this status");
      return;
    }
    const type = answer.contentType?.split(";", 1)[0]?.trim() ?? "";
    // Files have whatever type they have.
    if (content[type] === undefined && content["application/octet-stream"] !== undefined) return;
    if (content[type] === undefined) {
      fail(answer, `content type "${type}" is not among ${Object.keys(content).join(", ")}`);
    }
    const pointer = `${described.pointer}/content/${escapePointer(type)}/schema`;
    if (type === "application/json") this.#validate(answer, pointer, answer.text);
    if (type !== "application/x-ndjson") return;
    for (const line of answer.text.split("\n").filter(Boolean)) {
      this.#validate(answer, pointer, line);
    }
  }

  #validate(answer: ApiAnswer, pointer: string, text: string): void {
    let validator = this.#validators.get(pointer);
    if (validator === undefined) {
      validator = this.#ajv.compile({ $ref: `${DOCUMENT_ID}#${encodeURI(pointer)}` });
      this.#validators.set(pointer, validator);
    }
    const value = parse(answer, text);
    if (!validator(value)) fail(answer, this.#ajv.errorsText(validator.errors));
  }
}

function parse(answer: ApiAnswer, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return fail(answer, "the body is not JSON");
  }
}

function fail(answer: ApiAnswer, reason: string): never {
  const { method, path, status, text } = answer;
  throw new UndescribedAnswerError(
    `${method} ${path} answered ${status} with ${text.slice(0, 500)}\n${reason}`,
  );
}

function patternOf(template: string): RegExp {
  const literal = template.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`);
}

function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The document leaves objects open for later fields; in a test a field that it does not have is a mistake. */
function closed(document: object): unknown {
  return JSON.parse(JSON.stringify(document), (_key, value: unknown) => {
    const isOpenObject =
      typeof value === "object" &&
      value !== null &&
      "type" in value &&
      value.type === "object" &&
      "properties" in value &&
      !("additionalProperties" in value);
    return isOpenObject ? { ...value, additionalProperties: false } : value;
  });
}
