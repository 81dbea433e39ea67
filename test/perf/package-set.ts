import { expression } from "../support/expressions.ts";

/** `random key bound`: a number below the bound that depends only on the text. */
const RANDOM = `
      random = key: bound: let
        digits = builtins.substring 0 6 (builtins.hashString "sha256" key);
        value = (builtins.fromTOML "x = 0x\${digits}").x;
      in value - (value / bound) * bound;`;

/**
 * A graph of small packages, as they come in a package set: each runs a shell script of a few hundred steps and writes some files of together up to 60 kB;
 * each depends on up to three of the twenty before it.
 */
export function smallPackages(count: number): string {
  return expression(`
    let ${RANDOM}
      inputs = i: builtins.filter (j: j >= 0) (builtins.genList (n: i - 1 - random "\${toString i}-\${toString n}" 20) (random "count-\${toString i}" 4));
      package = i: mk "package-\${toString i}" ''
        i=0; while [ $i -lt \${toString (100 + random "loop-\${toString i}" 400)} ]; do i=$((i+1)); done
        mkdir -p $out/bin $out/lib
        for d in $inputs; do echo $d >> $out/inputs; done
        yes package-\${toString i} | head -c \${toString (1000 * (1 + random "size-\${toString i}" 60))} > $out/lib/data
        echo "$name" > $out/bin/run; chmod +x $out/bin/run; ln -s data $out/lib/link
      '' { inputs = map (j: builtins.elemAt all j) (inputs i); };
      all = builtins.genList package ${count};
    in { top = mk "top" "echo $inputs > $out" { inputs = all; }; }`);
}

/**
 * A package set with deep dependencies. Each package has a source and up to two patches with known hashes, comes after a chain of bootstrap stages,
 * uses up to four of the six packages before it and sometimes one from anywhere; one in five has three outputs, one in 25 writes megabytes.
 * 200 packages are about 600 derivations, and the longest chain is about 60 long.
 */
export function packageSet(count: number, salt: string): string {
  return expression(
    `
    let ${RANDOM}
      text = toString;
      source = name: content: mk name "cp $contentPath $out" {
        inherit content; passAsFile = [ "content" ];
        outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" content;
      };
      stage = n: mk "bootstrap-stage-\${text n}" ''
        mkdir -p $out/bin; cp \${seed}/busybox $out/bin/busybox; echo "$before" > $out/before
      '' { before = if n == 0 then "" else stage (n - 1); };
      tools = mk "tools" "mkdir $out; echo $stage > $out/stage" { stage = stage 3; };
      near = i: builtins.genList (n: i - 1 - random "near-\${text i}-\${text n}" 6) (random "count-\${text i}" 5);
      far = i: builtins.genList (n: random "far-\${text i}-\${text n}" (i + 1)) (random "reach-\${text i}" 2);
      used = i: builtins.attrNames (builtins.listToAttrs (map (j: { name = text j; value = null; }) (builtins.filter (j: j >= 0 && j < i) (near i ++ far i))));
      package = i: let
        name = "package-\${text i}";
        isSplit = random "split-\${text i}" 5 == 0;
        kilobytes = if random "large-\${text i}" 25 == 0 then 1000 + random "size-\${text i}" 3000 else 1 + random "size-\${text i}" 60;
      in mk name ''
        cat $source $patches > /dev/null; for d in $inputs; do [ -e $d ]; done
        i=0; while [ $i -lt \${text (20 + random "loop-\${text i}" 400)} ]; do i=$((i+1)); done
        mkdir -p $out/bin $out/lib
        echo $inputs > $out/inputs
        yes \${name} | head -c \${text (1000 * kilobytes)} > $out/lib/data
        head -c \${text (500 * (if kilobytes > 1500 then 1500 else kilobytes))} \${seed}/busybox > $out/lib/binary
        echo $tools > $out/bin/run; chmod +x $out/bin/run; ln -s data $out/lib/link
        \${if isSplit then "mkdir -p $dev/include $doc/share; echo $out > $dev/include/package; echo manual > $doc/share/manual" else ""}
        echo "done with \${name}"
      '' {
        inherit tools;
        outputs = if isSplit then [ "out" "dev" "doc" ] else [ "out" ];
        source = source "\${name}.tar" "source of \${name}, \${salt}";
        patches = builtins.genList (n: source "fix-\${text i}-\${text n}.patch" "patch \${text n} of \${name}, \${salt}") (random "patches-\${text i}" 3);
        inputs = map (j: (builtins.getAttr j all).dev or (builtins.getAttr j all)) (used i);
      };
      all = builtins.listToAttrs (builtins.genList (i: { name = text i; value = package i; }) ${count});
    in { top = mk "top" "echo $inputs > $out" { inputs = builtins.attrValues all; }; }`,
    salt,
  );
}

/** A chain of trivial builds: each can start only when the one before is stored. */
export function chain(links: number, salt?: string): string {
  return expression(
    `
    let link = n: mk "link-\${toString n}" "echo $before > $out" { before = if n == 0 then "" else link (n - 1); };
    in { top = link ${links - 1}; }`,
    salt,
  );
}
