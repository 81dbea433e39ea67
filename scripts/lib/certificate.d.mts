export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** Where the certificate lies. */
  readonly file: string;
}

/** Makes a key and a certificate of the loopback for one day that nobody has signed, as `key.pem` and `fullchain.pem` in a directory. */
export function makeCertificate(directory: string): Promise<Certificate>;
