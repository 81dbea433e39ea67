import { BadRequestError } from "../errors.ts";

const RESERVED_USERNAMES: ReadonlySet<string> = new Set(
  "admin root system api www mail ftp test user support help info null undefined".split(" "),
);
const PASSWORD_SYMBOLS = "!@#$%^&*()_+-=[]{}|;:,.<>?";

/** What a username may not be, as one clause for people; null for a good one. */
export function usernameFault(username: string): string | null {
  if (username.length < 3 || username.length > 50) return "it needs 3 to 50 characters";
  if (!/^[A-Za-z0-9_-]+$/.test(username)) {
    return "only letters, digits, underscores and dashes are allowed";
  }
  if (/^[_-]|[_-]$/.test(username)) return "it starts or ends with an underscore or dash";
  if (/[_-]{2}/.test(username)) return "it has two underscores or dashes in a row";
  return RESERVED_USERNAMES.has(username.toLowerCase()) ? "it is reserved" : null;
}

/** Throws BadRequestError `invalid_username`. */
export function checkUsername(username: string): void {
  const fault = usernameFault(username);
  if (fault === null) return;
  throw new BadRequestError(`username ${JSON.stringify(username)} cannot be used: ${fault}`, {
    code: "invalid_username",
  });
}

/** The rule is that of HTML's input field; whether mail arrives is another question. */
export function isEmail(email: string): boolean {
  const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
  const pattern = new RegExp(`^[a-zA-Z0-9.!#$%&'*+/=?^_\`{|}~-]{1,64}@${label}(?:\\.${label})*$`);
  return email.length <= 254 && pattern.test(email);
}

/** Throws BadRequestError `invalid_email`. */
export function checkEmail(email: string): void {
  if (isEmail(email)) return;
  throw new BadRequestError(`${JSON.stringify(email)} is not an e-mail address`, {
    code: "invalid_email",
  });
}

/** Throws BadRequestError `invalid_password`. The message never holds the password. */
export function checkPassword(password: string): void {
  const fault = passwordFault(password);
  if (fault === null) return;
  throw new BadRequestError(`password cannot be used: ${fault}`, { code: "invalid_password" });
}

function passwordFault(password: string): string | null {
  const bytes = Buffer.byteLength(password);
  if (bytes < 8 || bytes > 128) return "it needs 8 to 128 bytes";
  if (/password/i.test(password)) return 'it contains the word "password"';
  if (!/\p{Lu}/u.test(password)) return "it needs an upper-case letter";
  if (!/\p{Ll}/u.test(password)) return "it needs a lower-case letter";
  if (!/\d/.test(password)) return "it needs a digit";
  if (!Array.from(PASSWORD_SYMBOLS).some((symbol) => password.includes(symbol))) {
    return `it needs one of ${PASSWORD_SYMBOLS}`;
  }
  const points = Array.from(password, (character) => character.codePointAt(0) ?? 0);
  if (hasRun(points, 4, 1)) return "it has four characters in ascending order, such as 1234";
  if (hasRun(points, 3, 0)) return "it has the same character three times in a row";
  return null;
}

/** Whether `length` neighbours each exceed the one before by `step`. */
function hasRun(points: readonly number[], length: number, step: number): boolean {
  let run = 1;
  for (const [at, point] of points.entries()) {
    run = at > 0 && point === (points[at - 1] ?? 0) + step ? run + 1 : 1;
    if (run >= length) return true;
  }
  return false;
}
