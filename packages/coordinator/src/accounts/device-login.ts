import {
  generateDeviceCode,
  generateUserCode,
  normalUserCode,
  sha256Hex,
} from "../auth/random-token.ts";
import type { SessionTokens } from "../auth/session-token.ts";
import type { Database, Queries } from "../db/client.ts";
import {
  decideDeviceLogin,
  deleteExpiredDeviceLogins,
  findDeviceLogin,
  insertDeviceLogin,
  takeDeviceLogin,
  type DeviceLogin,
} from "../db/device-login-repository.ts";
import { findUser, type User } from "../db/user-repository.ts";
import { BadRequestError, NotFoundError } from "../errors.ts";
import { audit, type Actor } from "./audit.ts";
import { openSession } from "./open-session.ts";

/*
 * Login of a program that has no browser (after RFC 8628): the program shows a user code, somebody who is signed in authorizes or denies it, and the
 * program, which asks meanwhile with its device code, gets the token of a session once. The database keeps both codes as hashes.
 */

const MINUTE_MS = 60_000;
const VALID_MS = 10 * MINUTE_MS;
/** A program that asks too late is told so for this long; after that its code is unknown. */
const MEMORY_MS = 60 * MINUTE_MS;

export interface DeviceCodes {
  deviceCode: string;
  userCode: string;
  expiresInSeconds: number;
}

/** Begins a login that waits 10 minutes for somebody's decision. The codes are told here and never again; whoever asks need not have signed in. */
export async function startDeviceLogin(
  database: Database,
  actor: Actor,
  now: number,
): Promise<DeviceCodes> {
  const [deviceCode, userCode] = [generateDeviceCode(), generateUserCode()];
  await database.transaction(async ({ kysely }) => {
    await deleteExpiredDeviceLogins(kysely, now - MEMORY_MS);
    await insertDeviceLogin(kysely, {
      device_code_hash: sha256Hex(deviceCode),
      user_code_hash: sha256Hex(userCode),
      state: "pending",
      user_id: null,
      user_agent: actor.userAgent,
      ip: actor.ip,
      created_at: now,
      expires_at: now + VALID_MS,
    });
    await audit(kysely, { event: "cli.device.start", actor }, now);
  });
  return { deviceCode, userCode, expiresInSeconds: VALID_MS / 1000 };
}

/**
 * The token, as soon as somebody authorized the login; then the code is used up. Throws BadRequestError `cli_auth_pending`, `cli_auth_expired` or
 * `cli_auth_denied`, NotFoundError for a code that is not known.
 */
export async function pollDeviceLogin(
  dependencies: { database: Database; tokens: SessionTokens },
  { deviceCode, actor }: { deviceCode: string; actor: Actor },
  now: number,
): Promise<string> {
  const { kysely } = dependencies.database;
  const hash = sha256Hex(deviceCode);
  const login = await findDeviceLogin(kysely, "device_code_hash", hash);
  if (login === undefined) throw unknownCode();
  if (login.state === "denied") throw denied();
  refuseExpired(login, now);
  if (login.state === "pending") {
    throw new BadRequestError("nobody has authorized this login yet", { code: "cli_auth_pending" });
  }
  if (!(await takeDeviceLogin(kysely, hash))) throw unknownCode();
  const user = await findUser(kysely, login.user_id ?? "");
  if (user === undefined || user.active === 0) throw denied();
  return openSession(dependencies, { user, method: "device", isRemembered: true, actor }, now);
}

/** The login that waits under this code. Throws BadRequestError (expired or decided), NotFoundError. */
export async function findPendingLogin(
  db: Queries,
  typedCode: string,
  now: number,
): Promise<DeviceLogin & { userCode: string }> {
  const userCode = normalUserCode(typedCode);
  const login = await findDeviceLogin(db, "user_code_hash", sha256Hex(userCode));
  if (login === undefined) throw unknownCode();
  refuseExpired(login, now);
  if (login.state === "pending") return { ...login, userCode };
  throw new BadRequestError(`this login was ${login.state} before`);
}

/** Lets the program in as this user, or keeps it out. Throws as findPendingLogin. */
export async function decideLogin(
  database: Database,
  request: { typedCode: string; decision: "authorized" | "denied"; user: User; actor: Actor },
  now: number,
): Promise<void> {
  const { typedCode, decision, user, actor } = request;
  await database.transaction(async ({ kysely }) => {
    const login = await findPendingLogin(kysely, typedCode, now);
    await decideDeviceLogin(kysely, login.user_code_hash, { state: decision, user_id: user.id });
    const event = decision === "authorized" ? "cli.device.authorize" : "cli.device.deny";
    const details = { ip: login.ip, user_agent: login.user_agent };
    await audit(kysely, { event, actor, details }, now);
  });
}

function refuseExpired(login: DeviceLogin, now: number): void {
  if (login.expires_at > now) return;
  throw new BadRequestError("this code has expired; begin the login again", {
    code: "cli_auth_expired",
  });
}

function denied(): BadRequestError {
  return new BadRequestError("this login was denied", { code: "cli_auth_denied" });
}

function unknownCode(): NotFoundError {
  return new NotFoundError("no login waits under this code; begin the login again");
}
