import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export interface ReceivedMail {
  from: string;
  to: string[];
  /** Headers and body as they came. */
  text: string;
  isEncrypted: boolean;
  /** Who was logged in. */
  user: string | null;
}

/** A real mail server on a free port of the loopback that keeps what it is sent. */
export class TestMailServer implements AsyncDisposable {
  readonly received: ReceivedMail[] = [];
  readonly #server: SMTPServer;
  port = 0;

  constructor(options: SMTPServerOptions = {}) {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS"],
      logger: false,
      onData: (stream, session, done) => {
        void text(stream).then((content) => {
          this.received.push({
            from: session.envelope.mailFrom === false ? "" : session.envelope.mailFrom.address,
            to: session.envelope.rcptTo.map((recipient) => recipient.address),
            text: content,
            isEncrypted: session.secure,
            user: typeof session.user === "string" ? session.user : null,
          });
          done();
        });
      },
      ...options,
    });
    // Clients that break off are part of the tests.
    this.#server.on("error", () => {});
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = this.#server.server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
    return this;
  }

  /** Settings of a coordinator that sends its mail here in clear. */
  env(): Record<string, string> {
    return {
      GRADIENT_EMAIL_ENABLED: "true",
      GRADIENT_EMAIL_SMTP_HOST: "127.0.0.1",
      GRADIENT_EMAIL_SMTP_PORT: String(this.port),
      GRADIENT_EMAIL_FROM_ADDRESS: "farm@farm.example",
      GRADIENT_EMAIL_ENABLE_TLS: "false",
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#server.close(resolve));
  }
}
