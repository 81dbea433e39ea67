# One of the daemons, built without the network: every tarball that package-lock.json names is a fixed output of its own.
{ lib, stdenv, fetchurl, nodejs, python3, name }:
let
  lock = builtins.fromJSON (builtins.readFile ../package-lock.json);
  manifest = builtins.fromJSON (builtins.readFile (../packages + "/${name}/package.json"));

  platform = stdenv.hostPlatform;
  cpu = { x86_64 = "x64"; aarch64 = "arm64"; i686 = "ia32"; }.${platform.parsed.cpu.name} or platform.parsed.cpu.name;
  fits = entry:
    builtins.elem "linux" (entry.os or [ "linux" ])
    && builtins.elem cpu (entry.cpu or [ cpu ])
    && builtins.elem "glibc" (entry.libc or [ "glibc" ]);

  # npm leaves addresses out of our lock file: the registry's follow from name and version.
  nameAt = place: builtins.elemAt (builtins.match "(.*node_modules/)?(.*)" place) 1;
  tarball = place: entry:
    let packageName = entry.name or (nameAt place); in
    fetchurl {
      url = "https://registry.npmjs.org/${packageName}/-/${baseNameOf packageName}-${entry.version}.tgz";
      hash = entry.integrity;
    };
  withTarball = place: entry:
    if entry ? integrity && fits entry then entry // { resolved = "file:${tarball place entry}"; } else entry;
in
stdenv.mkDerivation {
  pname = "gradient-${name}";
  inherit (manifest) version;

  src = builtins.path {
    name = "gradient-source";
    path = ../.;
    filter = path: _type: !(builtins.elem (baseNameOf path) [ ".farm" ".git" "dist" "docs" "node_modules" "nixos-module" "result" "systemd" ]);
  };

  nativeBuildInputs = [ nodejs python3 ];
  lockFile = builtins.toJSON (lock // { packages = lib.mapAttrs withTarball lock.packages; });
  passAsFile = [ "lockFile" ];

  buildPhase = ''
    runHook preBuild
    export HOME=$TMPDIR npm_config_nodedir=${nodejs}
    install -m 644 "$lockFilePath" package-lock.json

    npm ci --offline --ignore-scripts
    patchShebangs node_modules
    node --input-type=module -e "
      const { buildPackages } = await import('./scripts/lib/build.mjs');
      const { packDaemon } = await import('./scripts/lib/pack.mjs');
      await buildPackages('.');
      await packDaemon('.', '${name}', 'packs');
    "

    # Now what it needs to run. Two modules are C++, and compiled.
    rm -r node_modules
    npm ci --offline --ignore-scripts --omit=dev --workspace=packages/${name}
    npm_config_build_from_source=true npm rebuild --offline
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    place=$out/lib/gradient/packages/${name}
    mkdir -p $place $out/bin
    tar --extract --gzip --file packs/*.tgz --strip-components=1 --directory $place
    if [ -d packages/${name}/node_modules ]; then cp -r packages/${name}/node_modules/. $place/node_modules; fi
    rm -rf node_modules/@gradient node_modules/.bin node_modules/.package-lock.json
    cp -r node_modules $out/lib/gradient/node_modules
    printf '%s\n' '#!${stdenv.shell}' "exec ${nodejs}/bin/node $place/bin/gradient-${name}.js \"\$@\"" > $out/bin/gradient-${name}
    chmod +x $out/bin/gradient-${name}
    runHook postInstall
  '';

  meta = {
    inherit (manifest) description;
    mainProgram = "gradient-${name}";
    platforms = lib.platforms.linux;
  };
}
