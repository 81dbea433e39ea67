import { describe, expect, test } from "vitest";
import { organizationIdSchema } from "@gradient/protocol";
import { areSameTokens, hasUsableEntry, parsePeers, tokenFor } from "./peers.ts";

const A = organizationIdSchema.parse("0a0a0a0a-0000-4000-8000-000000000001");
const B = organizationIdSchema.parse("0b0b0b0b-0000-4000-8000-000000000002");
const TOKEN = "t".repeat(64);
const OTHER = "o".repeat(64);

describe("parsePeers", () => {
  test("reads an entry a line, split at the first colon and trimmed", () => {
    const peers = parsePeers(`${A}:${TOKEN}\n  ${B} : ${OTHER}  \n`);
    expect(tokenFor(peers, A)).toBe(TOKEN);
    expect(tokenFor(peers, B)).toBe(OTHER);
    expect(peers.rejected).toEqual([]);
  });

  test("skips blank lines and comments, with any line end", () => {
    const peers = parsePeers(`# mine\r\n\r\n${A}:${TOKEN}\r\n   # more`);
    expect([...peers.tokens]).toEqual([[A, TOKEN]]);
    expect(peers.rejected).toEqual([]);
  });

  test("a line of its own beats the wildcard, wherever it stands", () => {
    const peers = parsePeers(`*:${OTHER}\n${A}:${TOKEN}`);
    expect(tokenFor(peers, A)).toBe(TOKEN);
    expect(tokenFor(peers, B)).toBe(OTHER);
  });

  test("a token may contain colons, the organization id cannot", () => {
    const token = `a:b${"c".repeat(61)}`;
    expect(tokenFor(parsePeers(`${A}:${token}`), A)).toBe(token);
  });

  test("reports every other line with its number and never with its token", () => {
    const short = "s".repeat(63);
    const text = [
      `${A}:${TOKEN}`,
      "no colon here",
      `:${TOKEN}`,
      `${B}:`,
      `${B}:${short}`,
      `nobody:${TOKEN}`,
      `${A}:${OTHER}`,
      `*:${TOKEN}`,
      `*:${OTHER}`,
    ].join("\n");
    const peers = parsePeers(text);
    expect(peers.rejected.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6, 7, 9]);
    const reported = JSON.stringify(peers.rejected);
    expect(reported).toContain("63 characters");
    for (const token of [TOKEN, OTHER, short]) expect(reported).not.toContain(token);
    expect(tokenFor(peers, A)).toBe(TOKEN);
  });

  test("only comments and rejected lines are no usable entry", () => {
    expect(hasUsableEntry(parsePeers(`# ${A}:${TOKEN}\n${A}:short`))).toBe(false);
    expect(hasUsableEntry(parsePeers(`*:${TOKEN}`))).toBe(true);
  });
});

test("tokens are compared by what they answer, not by how they are written", () => {
  const one = parsePeers(`${A}:${TOKEN}\n${B}:${OTHER}`);
  expect(areSameTokens(one, parsePeers(`# sorted\n${B}:${OTHER}\n${A}:${TOKEN}`))).toBe(true);
  expect(areSameTokens(one, parsePeers(`${A}:${TOKEN}\n${B}:${TOKEN}`))).toBe(false);
  expect(areSameTokens(one, parsePeers(`${A}:${TOKEN}`))).toBe(false);
});
