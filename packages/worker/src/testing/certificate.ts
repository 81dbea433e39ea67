import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runProcess } from "../process/run.ts";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** Where the certificate lies. */
  readonly file: string;
}

/** A certificate of the loopback for one day that nobody has signed; null when there is no openssl to make it. */
export async function makeCertificate(directory: string): Promise<Certificate | null> {
  const [key, file] = [join(directory, "tls-key.pem"), join(directory, "tls-certificate.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  try {
    await runProcess({
      command: "openssl",
      args: [...request, "-nodes", "-days", "1", ...names, "-keyout", key, "-out", file],
      env: { PATH: process.env["PATH"] ?? "" },
      timeoutMs: 20_000,
    });
  } catch {
    return null;
  }
  return { key: await readFile(key, "utf8"), cert: await readFile(file, "utf8"), file };
}
