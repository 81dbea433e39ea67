import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contentAddressedStorePath, parseContentAddress } from "./content-address.ts";
import {
  formatHexDigest,
  formatNix32Hash,
  formatSriHash,
  hashBytes,
  narHashOf,
  parseHash,
  parseNarHash,
} from "./hash.ts";
import { formatNarInfo, parseNarInfo, type NarInfo } from "./narinfo.ts";
import { NarListingBuilder } from "./nar/listing.ts";
import { NarReader } from "./nar/reader.ts";
import { CandidateScanner, ReferenceScanner } from "./nar/references.ts";
import { dumpPath, dumpPathSync, singleFileNar } from "./nar/writer.ts";
import { PrivateStore } from "./private-store.test-support.ts";
import { fingerprint, PublicKey, SecretKey } from "./signature.ts";
import { parseStorePath, storePathHash, storePathName, type StorePath } from "./store-path.ts";

const store = new PrivateStore();
const cache = join(store.directory, "cache-files");
const paths: StorePath[] = [];

/** A directory with all that a NAR can hold, names that sort by bytes and a name that is no UTF-8. */
function makeTree(): string {
  const tree = join(store.directory, "tree");
  mkdirSync(join(tree, "sub", "empty"), { recursive: true });
  writeFileSync(join(tree, "large"), Buffer.alloc(700_001, "large file\n"));
  writeFileSync(join(tree, "nothing"), "");
  writeFileSync(join(tree, "run"), "#!/bin/sh\n");
  chmodSync(join(tree, "run"), 0o755);
  symlinkSync("../dangling target", join(tree, "sub", "link"));
  for (const name of ["B", "a", "ab", "with space", 'quo"te\\', "é", "__proto__"]) {
    writeFileSync(join(tree, name), name);
  }
  return tree;
}

const EXPRESSION = `
let leaf = builtins.toFile "leaf.txt" "no references";
    middle = builtins.toFile "middle.txt" "refers to \${leaf}";
in derivation { name = "top"; system = "x"; builder = "/bin/sh"; source = builtins.toFile "top.txt" "\${leaf} \${middle} \${leaf}"; }
`;

beforeAll(() => {
  const tree = makeTree();
  writeFileSync(join(store.directory, "top.nix"), EXPRESSION);
  const tops = [
    store.run("nix-instantiate", join(store.directory, "top.nix")),
    store.run("nix-store", "--add", tree),
    store.run("nix-store", "--add-fixed", "sha256", join(tree, "run")),
    store.run("nix-store", "--add-fixed", "--recursive", "sha1", tree),
  ];
  paths.push(...store.lines("nix-store", "--query", "--requisites", ...tops).map(parseStorePath));
  store.run(
    "nix-store",
    "--generate-binary-cache-key",
    "cache.example-1",
    join(store.directory, "secret"),
    join(store.directory, "public"),
  );
  const target = `file://${cache}?write-nar-listing=true&secret-key=${join(store.directory, "secret")}`;
  store.run("nix", "copy", "--all", "--to", target);
});
afterAll(() => {
  store.remove();
});

function narInfoText(path: StorePath): string {
  return readFileSync(join(cache, `${storePathHash(path)}.narinfo`), "utf8");
}

function narInfo(path: StorePath): NarInfo {
  return parseNarInfo(narInfoText(path));
}

function nar(path: StorePath): Buffer {
  return Buffer.concat([...dumpPathSync(store.file(path))]);
}

describe("a binary cache that Nix wrote", () => {
  test("has narinfo files that we read and print alike", () => {
    expect(paths).toHaveLength(7);
    for (const path of paths) {
      const text = narInfoText(path);
      const info = parseNarInfo(text);
      expect(info.path).toBe(path);
      // Nix writes References also when there are none.
      expect(formatNarInfo(info)).toBe(text.replace("References: \n", ""));
    }
  });

  test("has the NAR hashes and sizes that our writer and reader find", async () => {
    for (const path of paths) {
      const bytes = nar(path);
      const reader = new NarReader();
      reader.write(bytes);
      reader.end();
      const info = narInfo(path);
      expect(reader.offset).toBe(info.narSize);
      expect(narHashOf(hashBytes("sha256", bytes).digest)).toBe(info.narHash);
      const hash = createHash("sha256");
      for await (const chunk of dumpPath(store.file(path))) hash.update(chunk);
      expect(narHashOf(hash.digest())).toBe(info.narHash);
      expect(store.runBytes("nix-store", "--dump", store.file(path)).equals(bytes)).toBe(true);
    }
  });

  test("has the NAR that we make of a single file in memory", () => {
    for (const path of paths.filter((candidate) => candidate.endsWith(".txt"))) {
      const bytes = singleFileNar(readFileSync(store.file(path)));
      expect(narHashOf(hashBytes("sha256", bytes).digest)).toBe(narInfo(path).narHash);
    }
  });

  test("has the listings that we build", () => {
    for (const path of paths) {
      const listing = new NarListingBuilder();
      const reader = new NarReader(listing);
      reader.write(nar(path));
      reader.end();
      const file = join(cache, `${storePathHash(path)}.ls`);
      expect(JSON.parse(JSON.stringify(listing.listing()))).toEqual(
        JSON.parse(readFileSync(file, "utf8")),
      );
    }
  });

  test("has the references that both scanners find", () => {
    for (const path of paths) {
      const windows = new ReferenceScanner();
      const candidates = new CandidateScanner(paths.map(storePathHash));
      windows.write(nar(path));
      candidates.write(nar(path));
      const found = paths.filter((other) => candidates.found().has(storePathHash(other)));
      expect(found.sort()).toEqual([...narInfo(path).references].sort());
      for (const hashPart of candidates.found()) expect(windows.found()).toContain(hashPart);
    }
  });

  test("has the signatures that we make", () => {
    const secret = SecretKey.parse(readFileSync(join(store.directory, "secret"), "utf8"));
    const trusted = PublicKey.parse(readFileSync(join(store.directory, "public"), "utf8"));
    expect(secret.publicKey.toString()).toBe(trusted.toString());
    for (const path of paths) {
      const info = narInfo(path);
      const text = fingerprint(info);
      expect(info.signatures).toEqual([secret.sign(text)]);
      for (const signature of info.signatures) {
        expect(trusted.verifies(text, signature)).toBe(true);
        expect(trusted.verifies(fingerprint({ ...info, narSize: 1 }), signature)).toBe(false);
      }
    }
  });

  test("has content addresses from which the paths follow", () => {
    const methods = paths.map((path) => {
      const { ca, references } = narInfo(path);
      const address = parseContentAddress(ca ?? "");
      expect(contentAddressedStorePath(storePathName(path), address, references, path)).toBe(path);
      return `${address.method} ${address.hash.algorithm}`;
    });
    expect(new Set(methods)).toEqual(
      new Set(["text sha256", "recursive sha256", "recursive sha1", "flat sha256"]),
    );
  });
});

describe("Nix accepts what we write", () => {
  test("a secret key that we made signs, and a signature that we made is trusted", () => {
    const secret = SecretKey.generate("worker-1");
    const file = join(store.directory, "worker-secret");
    writeFileSync(file, secret.reveal());
    const [path] = paths;
    if (path === undefined) throw new Error("no path was added to the store");
    store.run("nix", "store", "sign", "--key-file", file, path);
    const keys = secret.publicKey.toString();
    store.run("nix", "store", "verify", "--trusted-public-keys", keys, path);
    const signature = secret.sign(fingerprint(narInfo(path)));
    expect(store.run("nix", "path-info", "--sigs", path)).toContain(signature);
  });

  test("a narinfo that we print is read by another store", () => {
    const [path] = paths;
    if (path === undefined) throw new Error("no path was added to the store");
    const secret = SecretKey.generate("farm-1");
    const info = narInfo(path);
    const signed = { ...info, ca: null, signatures: [secret.sign(fingerprint(info))] };
    writeFileSync(join(cache, `${storePathHash(path)}.narinfo`), formatNarInfo(signed));
    const other = new PrivateStore();
    try {
      const keys = secret.publicKey.toString();
      other.run(
        "nix",
        "copy",
        "--from",
        `file://${cache}`,
        "--option",
        "trusted-public-keys",
        keys,
        path,
      );
      expect(other.run("nix-store", "--query", "--hash", path)).toBe(info.narHash);
    } finally {
      other.remove();
      writeFileSync(join(cache, `${storePathHash(path)}.narinfo`), formatNarInfo(info));
    }
  });

  test.each(["md5", "sha1", "sha256", "sha512"] as const)("%s hashes are printed alike", (name) => {
    const file = join(store.directory, "hashed");
    writeFileSync(file, "some contents\n");
    const hash = hashBytes(name, readFileSync(file));
    const nixHash = (format: string): string =>
      store.run("nix", "hash", "file", "--type", name, format, file);
    expect(formatHexDigest(hash)).toBe(nixHash("--base16"));
    expect(formatNix32Hash(hash)).toBe(`${name}:${nixHash("--base32")}`);
    expect(formatSriHash(hash)).toBe(nixHash("--sri"));
    expect(parseHash(nixHash("--base64"), name).digest).toEqual(hash.digest);
  });

  test("NAR hashes have the form that nix-store prints", () => {
    for (const path of paths) {
      const printed = store.run("nix-store", "--query", "--hash", path);
      expect(parseNarHash(printed)).toBe(printed);
    }
  });
});
