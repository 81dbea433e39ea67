import { SecretKey } from "@gradient/protocol";
import { hashPassword } from "../auth/passwords.ts";
import { generateApiKey, generateWorkerToken, sha256Hex } from "../auth/random-token.ts";
import type { CommandLine } from "../cli/cli.test-support.ts";
import { generateSshKey } from "../keys/ssh-key.ts";
import { exampleState } from "./example-state.test-support.ts";

export const PASSWORD = "Seven-otters-4-tea";

/** The example with secrets in files that are there, and what is in them. */
export async function stateWithSecrets(line: CommandLine) {
  const state = exampleState();
  const apiKey = generateApiKey();
  const workerToken = generateWorkerToken();
  const cacheKey = SecretKey.generate("main-1");
  const sshKey = generateSshKey();
  const passwordHash = await hashPassword(PASSWORD);
  Object.assign(state.users.alice, { password_file: line.file(`${passwordHash}\n`) });
  Object.assign(state.organizations.acme, { private_key_file: line.file(sshKey.privateKey) });
  Object.assign(state.integrations.git, { secret_file: line.file("hook secret\n") });
  Object.assign(state.integrations.told, { access_token_file: line.file("forge token\n") });
  Object.assign(state.caches.main, { signing_key_file: line.file(cacheKey.reveal()) });
  Object.assign(state.caches.main.upstreams[2], { api_key_file: line.file("GRADother") });
  Object.assign(state.projects.site.actions[0].config, { token_file: line.file("chat token\n") });
  state.workers.build1.token_file = line.file(`${workerToken}\n`);
  state.api_keys.ci.key_file = line.file(sha256Hex(apiKey.slice("GRAD".length)));
  return { state, apiKey, workerToken, cacheKey, sshKey };
}
