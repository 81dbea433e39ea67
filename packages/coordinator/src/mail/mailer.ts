/** One mail in plain text; who gets it sees the others. */
export interface Mail {
  to: string | readonly string[];
  subject: string;
  text: string;
}

/** Sends mail. */
export interface Mailer {
  /** Resolves when the mail server has taken the mail; rejects when it has not, in bounded time. */
  send(mail: Mail): Promise<void>;
  /** Connects and logs in without sending anything; rejects as `send` does. */
  check(): Promise<void>;
}
