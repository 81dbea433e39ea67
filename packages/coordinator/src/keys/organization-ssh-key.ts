import type { Queries } from "../db/client.ts";
import { findSealedSshKey } from "../db/organization-repository.ts";
import { NotFoundError } from "../errors.ts";
import type { MasterKey } from "./master-key.ts";
import { generateSshKey, type SshKeyPair } from "./ssh-key.ts";

/** Context that an organization's key is sealed with. */
export function sshKeyContext(organizationId: string): string {
  return `organization ${organizationId}`;
}

/** Columns of a key pair, by default a new one, for an organization: the public key in clear, the private key sealed. */
export function sealedSshKey(
  masterKey: MasterKey,
  organizationId: string,
  pair: SshKeyPair = generateSshKey(),
): { ssh_public_key: string; ssh_private_key: string } {
  return {
    ssh_public_key: pair.publicKey,
    ssh_private_key: masterKey.seal(pair.privateKey, sshKeyContext(organizationId)),
  };
}

/** The organization's private key as OpenSSH PEM text, for the one assignment that fetches with it. Throws NotFoundError, SealError. */
export async function openSshKey(
  db: Queries,
  masterKey: MasterKey,
  organizationId: string,
): Promise<string> {
  const row = await findSealedSshKey(db, organizationId);
  if (row === undefined) throw new NotFoundError(`organization ${organizationId} does not exist`);
  return masterKey.open(row.ssh_private_key, sshKeyContext(organizationId));
}
