import { createHash } from "node:crypto";
import { organizationIdSchema } from "@gradient/protocol";
import fc from "fast-check";
import { v7 } from "uuid";
import { expect, test } from "vitest";
import type { Registration } from "../db/worker-repository.ts";
import { authorize, organizationsFor, restrict } from "./authorization.ts";

const peers = [1, 2, 3].map(() => organizationIdSchema.parse(v7()));
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const registration: fc.Arbitrary<Registration> = fc.record({
  organization: fc.constantFrom(...peers),
  tokenHash: fc.constantFrom("a", "b").map(sha256),
  isFetchEnabled: fc.boolean(),
  isEvalEnabled: fc.boolean(),
  isBuildEnabled: fc.boolean(),
});
const registrations = fc.uniqueArray(registration, {
  selector: ({ organization }) => organization,
});
const tokens = fc.array(
  fc.record({ peer: fc.constantFrom(...peers), token: fc.constantFrom("a", "b", "") }),
);

test("nobody's work goes to a worker without a token that is valid now, whatever happened before", () => {
  fc.assert(
    fc.property(registrations, registrations, tokens, (before, after, shown) => {
      const left = restrict(authorize(before, shown), after);
      for (const kind of ["fetch", "eval", "build"] as const) {
        const all = { fetch: true, eval: true, build: true };
        for (const organization of organizationsFor(left, all, kind)) {
          const now = after.find((row) => row.organization === organization);
          const isShown = shown.some(
            ({ peer, token }) => peer === organization && sha256(token) === now?.tokenHash,
          );
          const isEnabled = {
            fetch: now?.isFetchEnabled,
            eval: now?.isEvalEnabled,
            build: now?.isBuildEnabled,
          }[kind];
          expect([isShown, isEnabled]).toEqual([true, true]);
        }
        expect(organizationsFor(left, { ...all, [kind]: false }, kind).size).toBe(0);
      }
    }),
  );
});

test("no registrations, or no tokens, are nothing and not everything", () => {
  const one = {
    organization: peers[0] ?? organizationIdSchema.parse(v7()),
    tokenHash: sha256("a"),
  };
  const row = { ...one, isFetchEnabled: true, isEvalEnabled: true, isBuildEnabled: true };
  expect(authorize([], [{ peer: row.organization, token: "a" }]).granted).toEqual([]);
  expect(authorize([row], []).granted).toEqual([]);
  expect(restrict(authorize([row], [{ peer: row.organization, token: "a" }]), []).granted).toEqual(
    [],
  );
  // A hash that is none matches no token.
  expect(
    authorize([{ ...row, tokenHash: "" }], [{ peer: row.organization, token: "" }]).granted,
  ).toEqual([]);
});
