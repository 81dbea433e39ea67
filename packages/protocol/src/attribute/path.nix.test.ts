import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { PrivateStore } from "../nix/private-store.test-support.ts";
import { formatAttributePath } from "./path.ts";

const store = new PrivateStore();
afterAll(() => {
  store.remove();
});

test("Nix reads the paths that we print as the same names", () => {
  const name = fc.oneof(
    fc.string({
      unit: fc.constantFrom(..."abz019_'-.\"\\${} \n\r\té☃*#!,".split("")),
      maxLength: 8,
    }),
    fc.constantFrom("if", "or", "assert", "x86_64-linux", "python3.12", "$${x}", "''"),
  );
  const paths = fc.sample(fc.array(name, { minLength: 1, maxLength: 4 }), 500);
  const sets = paths.map((path) => `{ ${formatAttributePath(path)} = 1; }`);
  const expression = `
    let names = value: if builtins.isAttrs value
      then map (name: [ name ] ++ builtins.concatLists (names value.\${name})) (builtins.attrNames value)
      else [ ];
    in map (set: builtins.concatLists (names set)) [ ${sets.join(" ")} ]`;
  const output = store.run("nix-instantiate", "--eval", "--strict", "--json", "--expr", expression);
  expect(JSON.parse(output)).toEqual(paths);
});
