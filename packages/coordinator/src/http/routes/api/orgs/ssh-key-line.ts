/** An organization's public key as a line of authorized_keys; the comment says whose it is. */
export function sshKeyLine(publicKey: string, serveUrl: string, organization: string): string {
  return `${publicKey} ${new URL(serveUrl).host}-${organization}`;
}
