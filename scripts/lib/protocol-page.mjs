import { readFile } from "node:fs/promises";
import { z } from "zod";
import { readComments } from "./schema-comments.mjs";

const PACKAGE = new URL("../../packages/protocol/", import.meta.url);
const TO_WORKER = "messages/to-worker";
const TO_COORDINATOR = "messages/to-coordinator";
const MODULES = [
  TO_WORKER,
  TO_COORDINATOR,
  "messages/shared",
  "messages/evaluated",
  "messages/transfer",
  "usage",
];

/** docs/protocol.md, made from the schemas of the built worker link and the comments in their source. */
export async function protocolPage() {
  const modules = await Promise.all(MODULES.map(readModule));
  const shapes = describeAll(modules);
  const shared = await import(new URL("dist/messages/shared.js", PACKAGE).href);
  const sections = modules.map(({ name, comments, schemas }) => ({
    name,
    text: schemas.map((id) => section(id, shapes[id], comments.get(id))).join("\n\n"),
  }));
  const textOf = (wanted) => sections.find(({ name }) => name === wanted)?.text ?? "";
  const { min, max } = shared.LINK_VERSIONS;
  return `# Worker link

Made from the message schemas of \`packages/protocol\` by \`npm run docs\`; \`npm run check\` fails when it is not what they say. [architecture.md](architecture.md) tells the story: who connects, what a lease is, what happens when something breaks.

A worker opens a WebSocket at \`/proto\`. Each text frame is one JSON object of at most ${shared.MAX_FRAME_BYTES} bytes with a \`type\`. Versions ${min} to ${max} are spoken; features beyond them are named in \`hello\` and \`welcome\`: ${shared.LINK_FEATURES.map((name) => `\`${name}\``).join(", ")}.
Fields that are not listed are ignored. NARs travel by HTTP beside the socket, with the bodies of the last section.

## From the coordinator

${textOf(TO_WORKER)}

## From the worker

${textOf(TO_COORDINATOR)}

## What messages are made of

${textOf("messages/shared")}

${textOf("messages/evaluated")}

${textOf("usage")}

## Bodies of transfers

${textOf("messages/transfer")}
`;
}

async function readModule(name) {
  const exported = await import(new URL(`dist/${name}.js`, PACKAGE).href);
  const comments = readComments(await readFile(new URL(`src/${name}.ts`, PACKAGE), "utf8"));
  // In the order of the source.
  const schemas = [...comments.keys()].filter((key) => exported[key] instanceof z.ZodType);
  return { name, comments, exported, schemas };
}

/** JSON schemas by the names of the exports, which refer to each other by name. */
function describeAll(modules) {
  const registry = z.registry();
  for (const { exported, schemas } of modules) {
    for (const id of schemas) registry.add(exported[id], { id });
  }
  const options = { uri: (id) => id, unrepresentable: "any", io: "input" };
  return z.toJSONSchema(registry, options).schemas;
}

function section(id, shape, comments) {
  const type = shape.properties?.type?.const;
  const title = type === undefined ? titleOf(id) : `\`${type}\``;
  const parts = [`### ${title}`];
  if (comments?.text) parts.push(comments.text);
  if (shape.properties === undefined) parts.push(`${typeOf(shape)}.`);
  else parts.push(fields(shape, comments?.fields ?? new Map()));
  return parts.join("\n\n");
}

function fields({ properties, required = [] }, comments) {
  const rows = Object.entries(properties)
    .filter(([name]) => name !== "type")
    .map(([name, shape]) => {
      const optional = required.includes(name) ? "" : " (may be left out)";
      return `| \`${name}\` | ${cell(typeOf(shape))}${optional} | ${cell(comments.get(name) ?? "")} |`;
    });
  if (rows.length === 0) return "No further fields.";
  return ["| Field | Type | |", "|---|---|---|", ...rows].join("\n");
}

/** In words; shapes with a name of their own are linked. */
function typeOf(shape) {
  if (shape.$ref !== undefined) return `[${titleOf(shape.$ref)}](#${anchorOf(shape.$ref)})`;
  if (shape.const !== undefined) return `\`${JSON.stringify(shape.const)}\``;
  if (shape.enum !== undefined) return shape.enum.map((value) => `\`${value}\``).join(", ");
  const choices = shape.anyOf ?? shape.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(" or ");
  if (shape.type === "array") return `list of ${typeOf(shape.items)}`;
  if (shape.type === "object" && shape.properties !== undefined) {
    const inner = Object.entries(shape.properties);
    return `object: ${inner.map(([name, each]) => `\`${name}\` ${typeOf(each)}`).join("; ")}`;
  }
  const format = shape.format === undefined ? "" : ` (${shape.format})`;
  return `${shape.type ?? "anything"}${format}`;
}

/** `pathFactsSchema` is "path facts". */
function titleOf(id) {
  return id.replace(/Schema$/, "").replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function anchorOf(id) {
  return titleOf(id).replaceAll(" ", "-");
}

function cell(text) {
  return text.replaceAll("|", "\\|");
}
