const DECLARATION = /^export const (?<name>\w+Schema)\b/;
const FIELD = /^ {2,}(?<name>\w+):/;

/**
 * Comments of the schemas that a source file exports, and of their fields: a map from the schema's name to `{text, fields}`, in the order of the
 * source. Relies on the formatter: a comment stands on lines of its own above what it is about.
 */
export function readComments(source) {
  const schemas = new Map();
  let current = null;
  let pending = [];
  let isInside = false;
  for (const line of source.split("\n")) {
    const text = line.trim();
    if (isInside || text.startsWith("/**")) {
      if (!isInside) pending = [];
      pending.push(text.replace(/^\/\*\*|^\*\/|^\*|\*\/$/g, "").trim());
      isInside = !text.endsWith("*/");
      continue;
    }
    const declared = DECLARATION.exec(line)?.groups?.name;
    const field = FIELD.exec(line)?.groups?.name;
    if (declared !== undefined) {
      current = { text: join(pending), fields: new Map() };
      schemas.set(declared, current);
    } else if (/^\S/.test(line) && !/^[)\]}]/.test(line)) {
      current = null;
    } else if (current !== null && field !== undefined && pending.length > 0) {
      if (!current.fields.has(field)) current.fields.set(field, join(pending));
    }
    if (text !== "") pending = [];
  }
  return schemas;
}

function join(lines) {
  return lines.join(" ").replace(/\*\/$/, "").trim();
}
