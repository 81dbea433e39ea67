import { expect, test } from "vitest";
import { mappedFiles } from "./suite-programs.mjs";

test("the files that the loader maps are read from its list", () => {
  const list = `\tlinux-vdso.so.1 (0x00007ffd)
\tlibc.so.6 => /tree/lib/libc.so.6 (0x00007f2a)
\t/tree/lib/ld-linux.so.2 => /tree/lib64/ld-linux.so.2 (0x00007f2b)
\tlibgone.so => not found
`;
  expect(mappedFiles(list)).toEqual(["/tree/lib/libc.so.6", "/tree/lib64/ld-linux.so.2"]);
});
