import { expect, test } from "vitest";
import { makeDerivation } from "../test-objects.test-support.ts";
import { evaluate, evaluationState, openScene } from "../test-scene.test-support.ts";

const SSH_REPOSITORY = "ssh://git@example.org/repo.git";

test("credentials travel with the fetch that needs them, and with nothing else", async () => {
  const credentials = { sshPrivateKey: "secret", knownHosts: null };
  await using scene = await openScene({ findCredentials: () => Promise.resolve(credentials) });
  const { farm, organization, worker } = scene;
  await farm.database.kysely.updateTable("projects").set({ repository: SSH_REPOSITORY }).execute();
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  const offer = await worker.next("offer");
  expect(offer.spec).toMatchObject({ kind: "fetch", credentials, commit: null, reference: null });
  const rows = await farm.database.kysely.selectFrom("assignments").selectAll().execute();
  expect(JSON.stringify(rows)).not.toContain("secret");
});

test("credentials that cannot be read end the evaluation that needs them, and nothing else stops", async () => {
  const findCredentials = () => Promise.reject(new Error("wrong master key"));
  await using scene = await openScene({ findCredentials });
  const { farm, organization } = scene;
  const open = await farm.addProject(organization.id);
  const { kysely } = farm.database;
  const ofSsh = kysely.updateTable("projects").set({ repository: SSH_REPOSITORY });
  await ofSsh.where("id", "=", organization.project).execute();
  const id = await farm.farm.evaluations.start({
    projectId: organization.project,
    triggeredBy: null,
  });
  await expect.poll(() => evaluationState(farm, id)).toBe("Failed");
  const other = await evaluate(scene, [makeDerivation("pkg")], [], open);
  expect(await evaluationState(farm, other)).toBe("Building");
});

test("a build is offered with what its derivation states about limits and features", async () => {
  await using scene = await openScene();
  const { worker } = scene;
  await worker.drop();
  await worker.connect({ systemFeatures: ["kvm"] });
  const env = {
    requiredSystemFeatures: "kvm",
    timeout: "60",
    maxSilent: "10",
    NIXBUILDNET_MAX_CPU: "2",
    NIXBUILDNET_MAX_MEM: "512",
  };
  const pkg = makeDerivation("pkg", { env });
  await evaluate(scene, [pkg]);
  const { spec } = await worker.next("offer");
  expect(spec).toEqual({
    kind: "build",
    attempt: 1,
    drvPath: pkg.path,
    system: "x86_64-linux",
    requiredFeatures: ["kvm"],
    limits: { timeoutSeconds: 60, maxSilentSeconds: 10, cores: 2, memoryBytes: 512 * 2 ** 20 },
  });
});
