# The tree that the demonstration sends through the farm: a few small, real derivations.
#
# Nothing is fetched and no path lies outside this directory. The one program that builds use is the static busybox under
# ./seed. It sits in a directory of its own because busybox looks at the name it is called by: a store file
# "<hash>-busybox" would be an unknown applet.
#
# Another `salt` gives other derivations of the same shape, of which no store and no cache has anything.
{ salt ? builtins.replaceStrings [ "\n" ] [ "" ] (builtins.readFile ./salt)
, system ? builtins.currentSystem or "x86_64-linux"
}:
let
  seed = builtins.path { name = "seed"; path = ./seed; };

  # A derivation whose script runs in busybox's shell: it stops at the first command that fails and sees no PATH.
  build = { name, script, ... }@attributes:
    derivation (removeAttrs attributes [ "script" ] // {
      inherit salt system;
      builder = "${seed}/busybox";
      args = [ "sh" "-euc" script ];
      PATH = "/no-path";
    });

  # A chain of four. Each link tells the story of the link before it and adds a line; the last one is a program that tells it all.
  link = number: line: previous: build {
    name = "chain-${toString number}";
    inherit line previous;
    script = ''
      echo "after ''${previous:-nothing}"
      mkdir "$out"
      [ -z "$previous" ] || cat "$previous/story" > "$out/story"
      echo "$line" >> "$out/story"
      echo "$previous" > "$out/previous"
    '';
  };
  first = link 1 "The sun has gone." "";
  second = link 2 "The stars turn." first;
  third = link 3 "The east grows pale." second;

  fails = build {
    name = "fails";
    script = ''
      echo "error: this derivation fails on purpose" >&2
      exit 7
    '';
  };
in
{
  chain = build {
    name = "chain-4";
    inherit third;
    script = ''
      mkdir -p "$out/bin"
      {
        echo "#!${seed}/busybox sh"
        echo "${seed}/busybox cat $third/story"
        echo "echo First light."
      } > "$out/bin/first-light"
      chmod +x "$out/bin/first-light"
      "$out/bin/first-light"
    '';
  };

  # The other links by name: a nested set is entered because it asks for it.
  links = {
    recurseForDerivations = true;
    inherit first second third;
  };

  # Two outputs, of which `out` refers to `doc`.
  two-outputs = build {
    name = "two-outputs";
    outputs = [ "out" "doc" ];
    script = ''
      mkdir "$out" "$doc"
      echo "How to read the sky" > "$doc/manual"
      echo "manual: $doc/manual" > "$out/about"
    '';
  };

  inherit fails;

  depends-on-failure = build {
    name = "depends-on-failure";
    inherit fails;
    script = ''cat "$fails" > "$out"'';
  };

  # Burns 3 s of CPU: the first by a child, the rest by itself. cpu-ms holds what the kernel says that both have used.
  # /proc/self/stat counts in ticks of 10 ms: user and system time in fields 14 and 15, of waited-for children in 16 and 17.
  burn-cpu = build {
    name = "burn-cpu";
    script = ''
      readTicks() {
        read -r stat < /proc/self/stat
        set -- ''${stat##*) }
        ticks=$((''${12} + ''${13} + ''${14} + ''${15}))
      }
      burnUntil() {
        ticks=0
        while [ $ticks -lt $1 ]; do
          round=0
          while [ $round -lt 1000 ]; do round=$((round + 1)); done
          readTicks
        done
      }
      (burnUntil 100)
      burnUntil 300
      mkdir "$out"
      readTicks
      echo $((ticks * 10)) > "$out/cpu-ms"
      echo "burnt $((ticks * 10)) ms"
    '';
  };

  # Fills one buffer of 512 MiB and holds it for about 1.5 s: nobody reads what dd writes before the pause is over.
  # bytes holds how many came out of that buffer, counted in blocks of 1 MiB ("512+0 records in").
  fill-memory = build {
    name = "fill-memory";
    script = ''
      mkdir "$out"
      dd if=/dev/zero bs=512M count=1 | { sleep 1.5; dd bs=1M iflag=fullblock of=/dev/null 2> report; }
      read -r records rest < report
      bytes=$((''${records%+*} * 1048576))
      echo $bytes > "$out/bytes"
      echo "filled $bytes bytes"
    '';
  };
}
