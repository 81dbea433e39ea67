import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "./command.mjs";

/** Makes a key and a certificate of the loopback for one day that nobody has signed, as `key.pem` and `fullchain.pem` in a directory. */
export async function makeCertificate(directory) {
  const [keyFile, file] = [join(directory, "key.pem"), join(directory, "fullchain.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", keyFile, "-out", file];
  await runCommand("openssl", [...request, "-nodes", "-days", "1", ...names, ...files]);
  return { key: await readFile(keyFile, "utf8"), cert: await readFile(file, "utf8"), file };
}
