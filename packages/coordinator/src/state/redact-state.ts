/** Of what an export has in place of a file with the secret, by the name that the file has in a state file. */
const FILES: Readonly<Record<string, string>> = {
  password_hash: "password_file",
  private_key_sealed: "private_key_file",
  secret_sealed: "secret_file",
  access_token_sealed: "access_token_file",
  api_key_sealed: "api_key_file",
  token_sealed: "token_file",
  token_hash: "token_file",
  key_hash: "key_file",
  signing_keys: "signing_key_file",
};

/** An export without hashes and sealed secrets: each is null, under the name of the file that somebody has to give. */
export function redactState(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactState);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      // It belongs to the private key that is left out.
      .filter(([name]) => name !== "public_key" || !("private_key_sealed" in value))
      .map(([name, each]) => {
        const file = FILES[name];
        return file === undefined ? [name, redactState(each)] : [file, null];
      }),
  );
}

/** A value of JSON as a Nix expression. */
export function toNix(value: unknown, indent = ""): string {
  if (typeof value === "string") return nixString(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[ ]";
    const items = value.map((each) => `${inner}${toNix(each, inner)}\n`);
    return `[\n${items.join("")}${indent}]`;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return "{ }";
  const lines = entries.map(
    ([name, each]) => `${inner}${nixName(name)} = ${toNix(each, inner)};\n`,
  );
  return `{\n${lines.join("")}${indent}}`;
}

const KEYWORDS = new Set([
  "assert",
  "else",
  "if",
  "in",
  "inherit",
  "let",
  "or",
  "rec",
  "then",
  "with",
]);

function nixName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_'-]*$/.test(name) && !KEYWORDS.has(name) ? name : nixString(name);
}

function nixString(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("${", "\\${")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}
