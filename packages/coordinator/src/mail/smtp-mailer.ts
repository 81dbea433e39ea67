import { createTransport, type Transporter } from "nodemailer";
import type { Mail, Mailer } from "./mailer.ts";

export interface SmtpOptions {
  host: string;
  port: number;
  /** null: the server takes mail without a login. */
  credentials: { username: string; password: string } | null;
  from: { name: string; address: string };
  isTlsRequired: boolean;
  /** PEM of authorities that are believed in place of the system's. */
  authorities?: string;
}

/** Port on which TLS begins with the first byte (RFC 8314); on others it begins by STARTTLS. */
const IMPLICIT_TLS_PORT = 465;
const CONNECT_MS = 5000;
const SILENCE_MS = 10_000;

/** Sends each mail over a connection of its own. */
export class SmtpMailer implements Mailer {
  readonly #transport: Transporter;
  readonly #from: SmtpOptions["from"];

  constructor(options: SmtpOptions) {
    const { host, port, credentials, isTlsRequired, authorities } = options;
    const isImplicit = isTlsRequired && port === IMPLICIT_TLS_PORT;
    this.#from = options.from;
    this.#transport = createTransport({
      host,
      port,
      secure: isImplicit,
      requireTLS: isTlsRequired && !isImplicit,
      ignoreTLS: !isTlsRequired,
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(credentials === null
        ? {}
        : { auth: { user: credentials.username, pass: credentials.password } }),
      ...(authorities === undefined ? {} : { tls: { ca: authorities } }),
    });
  }

  async send(mail: Mail): Promise<void> {
    await this.#transport.sendMail({
      from: this.#from,
      // As an object it is one address, whatever characters are in it.
      to: [mail.to].flat().map((address) => ({ name: "", address })),
      subject: mail.subject,
      text: mail.text,
    });
  }

  async check(): Promise<void> {
    await this.#transport.verify();
  }
}
